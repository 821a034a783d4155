"""Messaging: what a source of messages and a text must be. Texts live side by side and are never superseded."""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.services import bad_value
from gridiface.protocols.sep2.enums import MessagePriority
from gridiface.protocols.sep2.resources import MessagingProgram, TextMessage

#: Octets of a text; clients must take 100 at least, and a screen shows no book.
_LONGEST_TEXT = 4096


def _check_program(program: MessagingProgram, place: Place) -> None:
    if not program.locale.strip():
        raise bad_value("a MessagingProgram names its language")


def _check_text(text: TextMessage, place: Place) -> None:
    if text.priority not in set(MessagePriority):
        raise bad_value(f"priority {text.priority} is not defined")
    if not text.textMessage.strip():
        raise bad_value("the text is empty")
    if len(text.textMessage.encode()) > _LONGEST_TEXT:
        raise bad_value(f"the text is longer than {_LONGEST_TEXT} octets")


RULES: Mapping[type, Rule] = {MessagingProgram: _check_program, TextMessage: _check_text}
