"""The hook for spans: nothing until it is set, nothing after it is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gridiface.tracing import install, span


def test_spans_go_to_who_traces() -> None:
    seen: list[str] = []

    @contextmanager
    def make(name: str, attributes: dict[str, str]) -> Iterator[None]:
        seen.append(f"{name} {attributes}")
        yield
        seen.append(f"end of {name}")

    with span("before"):
        pass
    install(make)
    try:
        with span("one", LFDI="A"):
            assert seen == ["one {'LFDI': 'A'}"]
    finally:
        install(None)
    with span("after"):
        pass
    assert seen == ["one {'LFDI': 'A'}", "end of one"]
