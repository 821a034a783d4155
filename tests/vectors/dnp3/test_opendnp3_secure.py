"""Plays the recorded conversations with opendnp3's secure authentication against our two ends, octet for octet.

They were recorded on 2026-11-29 between opendnp3 2.1.0-RC6 and this project, over TCP. In the files named master-* its
master spoke to our outstation, in those named outstation-* its outstation to our master. `#` says in English what is
going on, `>` are octets from the master, `<` octets from the outstation. What our end needs to say the same again:
`! user number name key` and `! authority key` are keys that both ends know, `?` are the octets that our end drew from
its random source, `=` is what our master was told to do; its clock stood still at NOW. `~` is what opendnp3 told its
application.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, Statistic, User, UserOperation
from gridiface.protocols.dnp3.authentication.users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.link import FrameReader, encode
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import Failure, MasterSettings, TaskDone
from gridiface.protocols.dnp3.master.tasks import control
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import (
    AssociationSettings,
    OutstationSettings,
    Trigger,
    UnsolicitedSettings,
)
from gridiface.protocols.dnp3.points import PointConfig, PointType

HERE = Path(__file__).parent / "opendnp3-secure"
NOW = 1_700_000_000.0
UPDATE_KEY, NEW_KEY, OTHER_NEW_KEY = b"\xff" * 16, b"\x11" * 32, b"\x22" * 32


#: Its master's story up to reports enabled: session keys, then three critical requests and a poll.
STARTED = [
    f"task {task} SUCCESS"
    for task in (
        "SET_SESSION_KEYS",
        "CLEAR_RESTART",
        "DISABLE_UNSOLICITED",
        "STARTUP_INTEGRITY_POLL",
        "ENABLE_UNSOLICITED",
    )
]


class Keys:
    """The keys of a recording."""

    def __init__(self, lines):
        words = [line.split(" ") for line in lines]
        self.users = [User(int(word[1]), word[2], bytes.fromhex(word[3])) for word in words if word[0] == "user"]
        self.authority = next((bytes.fromhex(word[1]) for word in words if word[0] == "authority"), None)


class OurOutstation(OutstationHandler):
    """The outstation core for opendnp3's master; it does whatever it is told and notes it."""

    own, foreign = "<", ">"

    def __init__(self, keys, random):
        self.operated = []
        settings = AuthenticationSettings(authority_key=keys.authority, name="gateway")
        self.authentication = OutstationAuthentication(settings, keys.users, random)
        self.users, self.states = self.authentication.users, []
        self.users.on_change = lambda: self.states.append(self.users.state())
        # its master signs the confirm of a report in place of the request that is challenged: no report in between
        later = UnsolicitedSettings(triggers={number: Trigger(1000, 60.0) for number in (1, 2, 3)})
        self.channel = Outstation(
            OutstationSettings(10),
            [AssociationSettings(1, unsolicited=later)],
            Database([PointConfig(PointType.ANALOG_OUTPUT, 0, minimum=-100, maximum=100)]),
            self,
            {252: "gridiface"},
            NOW,
            {1: self.authentication},
        ).open(NOW)

    def select(self, request, now):
        return CommandStatus.SUCCESS

    def operate(self, request, now):
        self.operated.append((request.user, request.command.value))
        return CommandStatus.SUCCESS

    def receive(self, octets):
        self.channel.receive(octets, NOW)

    def to_send(self):
        return self.channel.to_send(NOW)

    @property
    def counts(self):
        """The security statistics that are not of plain traffic, by name."""
        plain = (Statistic.MESSAGES_SENT, Statistic.MESSAGES_RECEIVED, Statistic.CRITICAL_RECEIVED)
        counts = self.authentication.counts
        return {item.name: counts[item] for item in Statistic if counts[item] and item not in plain}


class OurMaster:
    """The master core for opendnp3's outstation; orders are those of a recording."""

    own, foreign = ">", "<"

    def __init__(self, keys, random):
        user = replace(keys.users[-1])
        self.authority = Authority(keys.authority) if keys.authority else None
        self.authentication = MasterAuthentication(
            AuthenticationSettings(aggressive=False, name="gateway"), user, random
        )
        settings = MasterSettings(1, 10, startup_integrity=False, enable_classes=())
        self.master = Master(settings, self.authentication)
        self.done = {}

    def order(self, text):
        name, *words = text.split(" ")
        own, authority = self.authentication, self.authority
        if name == "connect":
            self.master.connected(NOW)
        elif name == "operate":
            self.master.submit(text, control([(int(words[0]), AnalogOutput(float(words[1])))], select=True))
        elif name == "user":
            change = authority.certify(UserOperation[words[0]], words[1], int(words[2]))
            self.master.submit(text, own.change_user(change))
        else:
            self.master.submit(text, own.change_update_key(authority, words[0], bytes.fromhex(words[1])))

    def receive(self, octets):
        self.master.receive(octets, NOW)

    def to_send(self):
        octets = self.master.to_send(NOW)
        while (event := self.master.next_event()) is not None:
            if isinstance(event, TaskDone):
                self.done[event.name] = event
        return octets


class Recording:
    """One file; playing it holds our end to every octet that it said."""

    def __init__(self, name):
        lines = (HERE / f"{name}.txt").read_text().splitlines()
        self.lines = [tuple(line.split(" ", 1)) for line in lines]
        self.told = [text for mark, text in self.lines if mark == "~"]
        self._drawn = [bytes.fromhex(text) for mark, text in self.lines if mark == "?"]

    def random(self, count):
        """What our end drew when this was recorded."""
        octets = self._drawn.pop(0)
        assert len(octets) == count
        return octets

    def play(self, kind):
        """Our end, after the whole conversation."""
        end = kind(Keys([text for mark, text in self.lines if mark == "!"]), self.random)
        english, said = "", b""
        for mark, text in self.lines:
            if mark == "#":
                english = text
            elif mark == end.own:
                wanted = bytes.fromhex(text)
                said += end.to_send()
                got, said = said[: len(wanted)], said[len(wanted) :]
                assert got.hex(" ") == wanted.hex(" "), english
            elif mark in (end.foreign, "="):
                said += end.to_send()
                assert not said, f"{english}: nothing more was said before this"
                if mark == "=":
                    end.order(text)
                else:
                    end.receive(bytes.fromhex(text))
        assert not end.to_send()
        assert not said
        assert not self._drawn
        return end


def test_its_master_is_challenged_and_operates_our_outstation():
    recording = Recording("master-operates")
    end = recording.play(OurOutstation)
    assert end.operated == [(1, 1.5), (1, 2.5)]
    # one reply for each critical request: three at the start, SELECT, OPERATE, DIRECT_OPERATE
    assert end.counts == {"SESSION_KEY_CHANGES": 1, "SUCCESSES": 6}
    assert recording.told == STARTED + ["command SUCCESS SUCCESS", "task USER_TASK SUCCESS"] * 2


def test_its_authority_adds_a_user_to_our_outstation_who_operates_and_is_deleted():
    recording = Recording("master-authority")
    end = recording.play(OurOutstation)
    assert [[(user.number, user.name, user.update_key) for user in state.users[1:]] for state in end.states] == [
        [(2, "jim", b"")],
        [(2, "jim", NEW_KEY)],
        [],
    ]
    jim = end.states[1].users[1]
    assert (jim.role, jim.expires_at) == (1, NOW + 365 * 86_400)
    # the second sequence 0 was refused, 1 was taken
    assert [state.status_sequence for state in end.states] == [0, 0, 1]
    assert end.operated == [(2, 2.5)]
    assert end.counts == {
        "AUTHENTICATION_FAILURES": 1,
        "ERRORS_SENT": 1,
        "SUCCESSES": 4,
        "SESSION_KEY_CHANGES": 2,
        "UPDATE_KEY_CHANGES": 1,
    }
    assert "changed jim 2" in recording.told
    assert recording.told[-2:] == ["task USER_TASK FAILURE_BAD_RESPONSE", "task USER_TASK SUCCESS"]


def test_its_master_with_another_update_key_gets_no_session_from_our_outstation():
    recording = Recording("master-with-another-key")
    end = recording.play(OurOutstation)
    assert end.counts == {"FAILED_SESSION_KEY_CHANGES": 1}
    assert recording.told == ["task SET_SESSION_KEYS FAILURE_BAD_RESPONSE"]


@pytest.mark.parametrize(("name", "index"), [("outstation-operates", 3), ("outstation-new-user", 4)])
def test_our_master_answers_its_outstations_challenges(name, index):
    recording = Recording(name)
    end = recording.play(OurMaster)
    assert {done.failure for done in end.done.values()} == {None}
    (operated,) = (done for order, done in end.done.items() if order.startswith("operate "))
    assert [(one.index, one.status) for one in operated.outcomes] == [(index, CommandStatus.SUCCESS)]
    assert recording.told == [f"operated {index}"]
    assert not end.authentication.needs_keys(NOW)


def test_our_authority_adds_a_user_to_its_outstation_and_gives_it_a_key():
    recording = Recording("outstation-authority")
    end = recording.play(OurMaster)
    bo = end.done[f"key bo {OTHER_NEW_KEY.hex()}"]
    assert (bo.failure, bo.value.number, bo.value.update_key) == (None, 2, OTHER_NEW_KEY)
    assert end.done["user ADD bo 5"].failure is None
    # a sequence is used once
    assert end.done["user ADD al 5"].failure is Failure.NOT_AUTHENTICATED
    assert recording.told == ["sequence 6", "user bo 2"]


def test_our_authority_deletes_a_user_of_its_outstation():
    recording = Recording("outstation-deletes")
    assert recording.play(OurMaster).done["user DELETE bo 6"].failure is None
    assert recording.told == ["sequence 7", "deleted bo"]


def test_our_master_with_another_update_key_gets_no_session_from_its_outstation():
    end = Recording("outstation-with-another-key").play(OurMaster)
    assert end.done["session keys"].failure is Failure.NOT_AUTHENTICATED
    assert end.authentication.needs_keys(NOW)


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_every_recorded_frame_is_whole_and_told_in_english(path):
    told = ""
    for mark, text in Recording(path.stem).lines:
        if mark in ("<", ">"):
            octets = bytes.fromhex(text)
            assert b"".join(encode(frame) for frame in FrameReader().feed(octets)) == octets
            assert told, text
        if mark != "?":
            told = text if mark == "#" else ""
