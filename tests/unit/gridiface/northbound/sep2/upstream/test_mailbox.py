"""Letters: durable before they leave, in order, each until its final answer, and again after a restart."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.errors import LocalProtocolError
from gridiface.northbound.sep2.upstream.mailbox import READING, RESPONSE, Mailbox
from gridiface.protocols.sep2.outbox import Written


class Client:
    def __init__(self) -> None:
        self.posted: list[tuple[int, str, bytes]] = []

    def post_encoded(self, href: str, body: bytes, now: float) -> int:
        if href == "/elsewhere":
            raise LocalProtocolError("not on this server")
        self.posted.append((len(self.posted) + 1, href, body))
        return len(self.posted)

    def answer(self, box: Mailbox, index: int, status: int) -> None:
        number, href, _ = self.posted[index]
        box.answered(Written(number, "POST", href, status, None))


def box(**more: int) -> Mailbox:
    made = Mailbox("s", **more)
    made.place = {"mirror:1": "/mup/1"}.get
    return made


def write(letters: Mailbox, kind: str, target: str, body: bytes) -> PutDocument:
    letter, change = letters.write(kind, target, body)
    letters.seal([letter])
    assert isinstance(change, PutDocument)
    return change


def test_a_letter_leaves_when_it_is_durable_and_is_struck_out_when_it_was_answered() -> None:
    letters, client = box(), Client()
    letter, change = letters.write(RESPONSE, "/rsps/1/rsp", b"<x/>")
    letters.feed(client, 0)
    assert client.posted == []
    letters.seal([letter])
    letters.feed(client, 0)
    letters.feed(client, 0)
    assert client.posted == [(1, "/rsps/1/rsp", b"<x/>")]
    assert letters.take_changes() == []
    client.answer(letters, 0, 201)
    assert letters.take_changes() == [DeleteDocument("s/out", change.key)]  # type: ignore[union-attr]
    assert (len(letters), letters.counts.delivered) == (0, 1)


def test_letters_go_in_order_and_wait_for_their_place_without_holding_up_others() -> None:
    letters, client = box(), Client()
    for target, body in (("mirror:2", b"1"), ("/a", b"2"), ("mirror:1", b"3"), ("/a", b"4")):
        write(letters, READING, target, body)
    letters.feed(client, 0)
    assert [body for _, _, body in client.posted] == [b"2", b"3", b"4"]
    letters.place = {"mirror:2": "/mup/2"}.get
    letters.feed(client, 0)
    assert client.posted[-1] == (4, "/mup/2", b"1")


def test_what_was_not_answered_leaves_again_after_a_restart_as_it_was() -> None:
    letters, client = box(), Client()
    kept = [write(letters, RESPONSE, "/a", b"<one>\n</one>"), write(letters, READING, "mirror:1", b"<two/>")]
    letters.feed(client, 0)
    again, other = box(), Client()
    again.load(Document(change.space, change.key, change.body) for change in reversed(kept))
    again.feed(other, 0)
    assert other.posted == client.posted
    assert again.write(READING, "/a", b"")[0].number == 3


def test_a_refused_letter_is_given_up_and_an_unanswered_one_is_not() -> None:
    letters, client = box(), Client()
    write(letters, RESPONSE, "/a", b"1")
    write(letters, RESPONSE, "/a", b"2")
    letters.feed(client, 0)
    client.answer(letters, 0, 400)
    client.answer(letters, 1, 0)
    assert (letters.counts.refused, len(letters)) == (1, 1)
    letters.feed(client, 0)
    assert client.posted[-1][2] == b"2"


def test_a_lost_mirror_is_told_and_the_letter_kept_a_few_times() -> None:
    letters, client = box(), Client()
    lost: list[str] = []
    letters.lost = lost.append
    write(letters, READING, "mirror:1", b"1")
    for turn in range(4):
        letters.feed(client, 0)
        client.answer(letters, turn, 404)
    assert lost == ["mirror:1"] * 3
    assert (letters.counts.refused, len(letters)) == (1, 0)


def test_a_letter_that_cannot_be_sent_is_given_up() -> None:
    letters, client = box(), Client()
    write(letters, RESPONSE, "/elsewhere", b"1")
    letters.feed(client, 0)
    assert (letters.counts.refused, len(letters)) == (1, 0)


def test_a_new_client_core_gets_everything_again() -> None:
    letters, client, other = box(), Client(), Client()
    write(letters, RESPONSE, "/a", b"1")
    letters.feed(client, 0)
    letters.take_back()
    letters.feed(other, 0)
    assert other.posted == client.posted
    assert letters.answered(Written(77, "PUT", "/b", 204, None)) is None


def test_changes_that_could_not_be_stored_come_first_the_next_time() -> None:
    letters, client = box(), Client()
    first, second = write(letters, RESPONSE, "/a", b"1"), write(letters, RESPONSE, "/a", b"2")
    letters.feed(client, 0)
    client.answer(letters, 0, 201)
    taken = letters.take_changes()
    client.answer(letters, 1, 201)
    letters.give_back(taken)
    assert letters.take_changes() == [DeleteDocument("s/out", first.key), DeleteDocument("s/out", second.key)]


@settings(max_examples=30)
@given(st.lists(st.sampled_from([READING, RESPONSE]), max_size=40))
def test_only_the_oldest_readings_make_room(kinds: list[str]) -> None:
    letters = box(capacity=5)
    for number, kind in enumerate(kinds):
        write(letters, kind, "/a", str(number).encode())
    client = Client()
    letters.feed(client, 0)
    left = [int(body) for _, _, body in client.posted]
    readings = [n for n, kind in enumerate(kinds) if kind == READING]
    assert left == sorted([*(n for n, kind in enumerate(kinds) if kind != READING), *readings[-5:]])
    assert letters.counts.dropped == max(0, len(readings) - 5)
