"""Secure authentication by octets: a master made of IEEE 1815-2012 clause 7, Annex A.45 and published primitives alone.

Objects, MACs and wrapped keys are laid out here, with the primitives of `cryptography` and `hmac`. The vector of
AES-GMAC is that of docs/operator/dnp3.md, as no foreign peer speaks it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from tests.dnp3_octets import Joiner, frame, frame_octets, segments, unframed

from gridiface.northbound.dnp3.settings import MasterEntry, SecureAuthentication
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, MacAlgorithm, User

UPDATE_KEY = bytes(range(100, 116))
USER = 7
SETPOINT = b"\x29\x03\x28\x01\x00\x00\x00" + struct.pack("<f", 1.5) + b"\0"
QUIET = (MasterEntry(name="iso", address=1),)
LENGTHS = {1: 4, 2: 10, 3: 8, 4: 16, 5: 8, 6: 12}


def gmac(key: bytes, vector: bytes, data: bytes) -> bytes:
    """GMAC is the tag of GCM over additional data alone (NIST SP 800-38D)."""
    sealing = Cipher(algorithms.AES(key), modes.GCM(vector)).encryptor()
    sealing.authenticate_additional_data(data)
    sealing.finalize()
    return sealing.tag


def mac(algorithm: int, key: bytes, data: bytes, purpose: bytes, sequence: int) -> bytes:
    if algorithm == 6:
        whole = gmac(key, purpose + struct.pack("<II", USER, sequence), data)
    else:
        whole = hmac.new(key, data, hashlib.sha1 if algorithm in (1, 2, 5) else hashlib.sha256).digest()
    return whole[: LENGTHS[algorithm]]


def sized(variation: int, octets: bytes) -> bytes:
    """Qualifier 5B: one object, its size in two octets."""
    return bytes([120, variation, 0x5B, 1]) + struct.pack("<H", len(octets)) + octets


class Master:
    """Asks and gets whole fragments; its keys are drawn by itself."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer
        self.joiner = Joiner()
        self.number = self.transport = 0
        self.control, self.monitoring = b"\x11" * 16, b"\x22" * 16

    def send(self, fragment: bytes) -> None:
        for user in segments(fragment, self.transport):
            self.writer.write(frame(user))
            self.transport += 1

    def request(self, function: int, objects: bytes = b"", *, again: bool = False) -> bytes:
        """A request with the next sequence number; not yet sent."""
        self.number = self.number if again else (self.number + 1) % 16
        return bytes([0xC0 | self.number, function]) + objects

    async def hear(self) -> bytes:
        while True:
            header = await asyncio.wait_for(self.reader.readexactly(10), 60)
            rest = await self.reader.readexactly(frame_octets(header[2]) - 10)
            ((_, _, _, user),) = unframed(header + rest)
            fragment = self.joiner.take(user)
            if fragment is not None and fragment[1] != 130:
                return fragment

    async def ask(self, fragment: bytes) -> bytes:
        self.send(fragment)
        return await self.hear()

    async def status(self, user: int = USER) -> bytes:
        """The object of g120v5 that answers g120v4."""
        return body(await self.ask(self.request(32, b"\x78\x04\x07\x01" + struct.pack("<H", user))), 5)

    async def keys(self, algorithm: int) -> None:
        """Session keys (clause 7.5.3): wrapped with what the outstation said, proven by its MAC."""
        said = await self.status()
        sequence, user, wrap, key_status, mal, length = struct.unpack("<IHBBBH", said[:11])
        assert (user, wrap, key_status, mal, length) == (USER, 1, 2, 0, len(said) - 11)
        plain = struct.pack("<H", 16) + self.control + self.monitoring + said
        wrapped = aes_key_wrap(UPDATE_KEY, plain + bytes(-len(plain) % 8))
        change = self.request(32, sized(6, struct.pack("<IH", sequence, USER) + wrapped))
        proof = body(await self.ask(change), 5)
        sequence, user, wrap, key_status, mal, length = struct.unpack("<IHBBBH", proof[:11])
        assert (user, wrap, key_status, mal) == (USER, 1, 1, algorithm)
        assert proof[11 + length :] == mac(algorithm, self.monitoring, change, b"KSTA", sequence)

    async def challenged(self, fragment: bytes, algorithm: int, *, key: bytes | None = None) -> tuple[bytes, bytes]:
        """Sends what is critical and answers the challenge: (the challenge, what came then)."""
        challenge = await self.ask(fragment)
        sequence, user, mal, reason = struct.unpack("<IHBB", body(challenge, 1)[:8])
        assert (user, mal, reason) == (0, algorithm, 1)
        code = mac(algorithm, key or self.control, challenge + fragment, b"RPLY", sequence)
        reply = self.request(32, sized(2, struct.pack("<IH", sequence, USER) + code), again=True)
        return challenge, await self.ask(reply)

    def aggressive(self, challenge: bytes, ahead: int, algorithm: int, objects: bytes = SETPOINT) -> bytes:
        """DIRECT_OPERATE with its proof in it (clause 7.5.2.5): g120v3 first, g120v9 last."""
        sequence = struct.unpack("<I", body(challenge, 1)[:4])[0] + ahead
        opening = b"\x78\x03\x07\x01" + struct.pack("<IH", sequence, USER)
        signed = self.request(5, opening + objects) + sized(9, bytes(LENGTHS[algorithm]))[: -LENGTHS[algorithm]]
        return signed + mac(algorithm, self.control, challenge + signed, b"AGGR", sequence)


def body(fragment: bytes, variation: int) -> bytes:
    """The one object of g120 in an AUTHENTICATE_RESP."""
    assert fragment[1] == 131, fragment.hex()
    assert fragment[4:8] == bytes([120, variation, 0x5B, 1]), fragment.hex()
    size = struct.unpack("<H", fragment[8:10])[0]
    assert len(fragment) == 10 + size
    return fragment[10:]


def error(fragment: bytes) -> int:
    """The code of a g120v7."""
    return body(fragment, 7)[8]


@pytest.fixture
async def opened(serve, make_station):
    """A function: a master connected to an outstation whose authentication has these settings."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(role=32_768, algorithm=4, **settings):
            own = AuthenticationSettings(
                mac=MacAlgorithm(algorithm), allow_sha_1=algorithm in (1, 2, 5), reply_timeout=30.0, **settings
            )
            secure = SecureAuthentication(settings=own, users=(User(USER, "bo", UPDATE_KEY, role),))
            server = await stack.enter_async_context(serve([make_station(authentication=secure, masters=QUIET)]))
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.close)
            return Master(reader, writer)

        yield connect


@pytest.mark.parametrize("algorithm", [1, 2, 3, 4, 5, 6])
async def test_keys_challenge_and_aggressive_mode_by_each_algorithm(opened, house, algorithm):
    one = await opened(algorithm=algorithm)
    await one.keys(algorithm)
    fragment = one.request(5, SETPOINT)
    challenge, answer = await one.challenged(fragment, algorithm)
    assert answer[1] == 129
    assert answer[4:] == SETPOINT  # status 0 in the echo
    assert len(house.controls_seen) == 1
    for ahead in (1, 2, 5):  # the sequence grows, by more than one too
        answer = await one.ask(one.aggressive(challenge, ahead, algorithm))
        assert (answer[1], answer[4:]) == (129, SETPOINT)
    assert error(await one.ask(one.aggressive(challenge, 5, algorithm))) == 1  # used up


async def test_each_octet_of_a_proof_counts(opened, house):
    one = await opened(max_errors=255, max_failures=255)
    await one.keys(4)
    _, answer = await one.challenged(one.request(5, SETPOINT), 4, key=one.monitoring)
    assert error(answer) == 1  # the key of the other direction
    challenge, answer = await one.challenged(one.request(5, SETPOINT), 4)
    assert answer[1] == 129
    seen = len(house.controls_seen)
    good = one.aggressive(challenge, 1, 4)
    last = len(good) - LENGTHS[4]
    # but for the headers of g120v3 and v9: without them it is another request, which is challenged
    for at in (*range(6, last - 6), *range(last, len(good))):
        spoilt = bytearray(good)
        spoilt[at] ^= 0x04
        one.send(bytes(spoilt))
    one.send(one.request(23))
    while (await one.hear())[0] & 0x0F != one.number:
        pass
    assert len(house.controls_seen) == seen
    assert (await one.ask(good))[1] == 129  # and untouched it is taken


async def test_errors_by_their_codes(opened):
    one = await opened(max_errors=255, aggressive=False, max_status_requests=3)
    assert error(await one.ask(one.request(32, b"\x78\x04\x07\x01" + struct.pack("<H", 99)))) == 11  # no such user
    await one.keys(4)
    challenge, _ = await one.challenged(one.request(5, SETPOINT), 4)
    assert error(await one.ask(one.aggressive(challenge, 1, 4))) == 4  # aggressive mode is off
    weak = sized(1, struct.pack("<IHBB", 1, USER, 1, 1) + bytes(4))
    assert error(await one.ask(one.request(32, weak))) == 5  # a MAC that is not taken
    change = sized(10, struct.pack("<BBIHHHHH", 4, 1, 1, 1, 9, 1, 0, 0) + b"x")
    assert error(await one.ask(one.request(32, change))) == 8  # no authority here
    for _ in range(3):
        assert (await one.status())[7] == 1  # the keys are good
    last = await one.ask(one.request(32, b"\x78\x04\x07\x01" + struct.pack("<H", USER)))
    assert error(last) == 12  # too often since the keys changed


async def test_a_role_that_may_not(opened, house):
    one = await opened(role=0)
    await one.keys(4)
    _, answer = await one.challenged(one.request(5, SETPOINT), 4)
    assert error(answer) == 7
    assert not house.controls_seen


async def test_a_response_is_signed_with_the_monitoring_key(opened):
    one = await opened()
    await one.keys(4)
    response = await one.ask(one.request(1, b"\x1e\x05\x00\x00\x03"))
    asked = one.request(32, sized(1, struct.pack("<IHBB", 77, USER, 4, 1) + bytes(range(8))))
    reply = body(await one.ask(asked), 2)
    assert struct.unpack("<IH", reply[:6]) == (77, USER)
    assert reply[6:] == mac(4, one.monitoring, asked + response, b"MRPL", 77)


async def test_wrong_keys_and_old_offers_change_nothing(opened):
    one = await opened()
    said = await one.status()
    sequence = struct.unpack("<I", said[:4])[0]
    plain = struct.pack("<H", 16) + one.control + one.monitoring + said
    for wrapped in (
        aes_key_wrap(bytes(16), plain + bytes(-len(plain) % 8)),  # another update key
        aes_key_wrap(UPDATE_KEY, struct.pack("<H", 8) + plain[2:] + bytes(-len(plain) % 8)),  # keys too short
        bytes(40),
    ):
        answer = body(await one.ask(one.request(32, sized(6, struct.pack("<IH", sequence, USER) + wrapped))), 5)
        assert answer[7] == 4  # AUTH_FAIL, with fresh challenge data
        assert answer[11:] != said[11:]
        said, sequence = answer, struct.unpack("<I", answer[:4])[0]
        plain = struct.pack("<H", 16) + one.control + one.monitoring + said
    one.send(one.request(32, sized(6, struct.pack("<IH", sequence - 1, USER) + bytes(40))))  # an offer gone by
    assert (await one.ask(one.request(23)))[1] == 129  # no answer to it
    assert (await one.status())[7] == 4


async def test_the_statistics_count_what_happened(opened):
    one = await opened()
    await one.keys(4)
    await one.challenged(one.request(5, SETPOINT), 4)
    await one.challenged(one.request(5, SETPOINT), 4, key=bytes(16))
    answer = await one.ask(one.request(1, b"\x79\x01\x06"))
    assert answer[4:9] == bytes([121, 1, 0, 0, 17])
    counts = [struct.unpack("<BHI", answer[9 + 7 * at : 16 + 7 * at])[2] for at in range(18)]
    assert counts[2] == 1  # authentication failures
    assert counts[8] == 2  # critical messages received
    assert counts[10] == 1  # error messages sent
    assert counts[12] == 1  # successful authentications
    assert counts[13] == 1  # session key changes
    assert counts[6] == 7  # messages received, this one too
    assert counts[5] == 6  # messages sent before this one
