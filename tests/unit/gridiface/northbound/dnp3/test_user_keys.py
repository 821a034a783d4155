"""Users as an authority left them: sealed, and under the configuration."""

from dataclasses import replace

from gridiface.domain.changes import Document
from gridiface.northbound.dnp3.user_keys import SPACE, UserRecord
from gridiface.protocols.dnp3.authentication.algorithms import User
from gridiface.protocols.dnp3.authentication.users import UserState

AUTHORITY = bytes(range(32))
COMMON = User(1, "common", bytes(16), 1)
CHANGED = replace(COMMON, update_key=b"\xaa" * 32)
ADDED = User(2, "bo", b"\xbb" * 32, 0, 1.8e9)


def kept(state, configured=(COMMON,)):
    put = UserRecord("gateway", configured, AUTHORITY).document(state)
    return [Document(SPACE, "other", b"x"), Document(put.space, put.key, put.body)]


def loaded(documents, configured=(COMMON,), key=AUTHORITY):
    return UserRecord("gateway", configured, key).load(documents)


def test_what_the_authority_left_is_there_again():
    state = UserState((CHANGED, ADDED), 7)
    assert loaded(kept(state)) == state
    assert loaded([]) is None


def test_a_removed_user_stays_removed_until_the_configuration_is_edited():
    documents = kept(UserState((ADDED,), 8))
    assert loaded(documents).users == (ADDED,)
    edited = replace(COMMON, role=2)
    assert loaded(documents, [edited]) == UserState((edited, ADDED), 8)


def test_an_edited_new_or_removed_entry_of_the_configuration_rules():
    documents = kept(UserState((CHANGED, ADDED), 9))
    rekeyed, new = replace(COMMON, update_key=b"\xcc" * 16), User(3, "cy", b"\xdd" * 16)
    assert loaded(documents, [rekeyed, new]).users == (rekeyed, ADDED, new)
    assert loaded(documents, []).users == (ADDED,)


def test_no_key_is_legible_and_only_this_authoritys_key_opens_it(caplog):
    documents = kept(UserState((CHANGED, ADDED), 1))
    body = documents[1].body
    for secret in (CHANGED.update_key, ADDED.update_key, CHANGED.update_key.hex().encode(), b"common"):
        assert secret not in body
    assert loaded(documents, key=bytes(32)) is None
    assert "cannot be read with this authority key" in caplog.text
    assert loaded([Document(SPACE, "gateway", body[:-1] + b"\0")]) is None
