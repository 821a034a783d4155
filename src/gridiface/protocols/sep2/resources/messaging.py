"""Messaging: texts shown to people."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    LOCALE,
    PRIMACY,
    PRIORITY,
    SEP2,
    STRING,
    STRING20,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Event, ListLink, SubscribableIdentifiedObject, SubscribableList
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class TextMessage(Event):
    """A text to people; priority per enums.MessagePriority."""

    originator: str | None = element(STRING20, default=None)
    priority: int = element(PRIORITY)
    textMessage: str = element(STRING)


@wire(SEP2)
class TextMessageList(SubscribableList):
    """Texts; newest start first, then creationTime and mRID descending."""

    members: list[TextMessage] = element(TextMessage, "TextMessage", default_factory=list)


@wire(SEP2)
class MessagingProgram(SubscribableIdentifiedObject):
    """A source of texts in one language."""

    ActiveTextMessageListLink: ListLink | None = element(ListLink, default=None)
    locale: str = element(LOCALE)
    primacy: int = element(PRIMACY)
    TextMessageListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class MessagingProgramList(SubscribableList):
    """Sources of texts; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[MessagingProgram] = element(MessagingProgram, "MessagingProgram", default_factory=list)
