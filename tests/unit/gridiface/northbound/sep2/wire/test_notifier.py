"""The notification client refuses before it connects; what it does on the wire is tested over loopback."""

from __future__ import annotations

import ssl

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.northbound.sep2.wire.notifier import HttpsNotifier
from gridiface.pki.judged import Demand


@pytest.mark.parametrize("uri", ["https://127.0.0.1:1/", "https://[::1]:1/", "https://localhost:1/", "https://[x/"])
async def test_an_address_that_is_not_allowed_is_no_answer(uri: str) -> None:
    notifier = HttpsNotifier(lambda _demand: ssl.create_default_context(), TargetRules())
    assert await notifier.post(uri, b"", "A1") is None
    await notifier.close()


async def test_a_certificate_that_cannot_be_read_is_no_answer_and_is_tried_again() -> None:
    tried: list[int] = []

    def context(_demand: Demand) -> ssl.SSLContext:
        tried.append(1)
        raise ConfigError("no such file")

    notifier = HttpsNotifier(context, TargetRules(loopback=True))
    assert [await notifier.post("https://127.0.0.1:1/", b"", "A1") for _ in range(2)] == [None, None]
    assert len(tried) == 2
    await notifier.close()
    await notifier.close()
