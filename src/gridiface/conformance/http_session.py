"""The actions that 2030.5 and OpenADR share: one request and what must come back. Knows HTTP and XML, no protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lxml import etree

from gridiface.conformance.expectations import Validate, at, check, parsed
from gridiface.conformance.http_wire import Answer, Wire, request_octets
from gridiface.conformance.runner import Failed, Inconclusive


class HttpSession:
    """Requests over one Wire, answers kept under names.

    Args:
        wire: the connection.
        media: content type of what is sent and asked for.
        validate: says what is wrong with a document by the official schema; None: no schema is at hand.
        names: `${name}` for arguments.
    """

    def __init__(
        self,
        wire: Wire,
        media: str,
        *,
        validate: Validate | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.wire = wire
        self.media = media
        self.validate = validate
        self.names: dict[str, str] = {"authority": wire.authority, **(names or {})}
        self.evidence: list[str] = []
        self.documents: dict[str, etree._Element] = {}
        self.answers: dict[str, Answer] = {}
        self.actions: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "request": self.request,
            "raw": self.raw,
            "take": self.take,
            "same": self.same,
        }

    def close(self) -> None:
        """End the connection."""
        self.wire.close()

    def request(self, step: Mapping[str, Any]) -> None:
        """Arguments: method (GET), at (a path), body, headers (null takes one away), expect, as (a name)."""
        method = step.get("method", "GET")
        body = str(step.get("body", "")).encode()
        headers: dict[str, str | None] = {"Host": self.wire.authority, "Accept": self.media}
        if body or method in {"POST", "PUT"}:
            headers |= {"Content-Type": self.media, "Content-Length": str(len(body))}
        headers |= step.get("headers", {})
        given = {name: value for name, value in headers.items() if value is not None}
        self.exchange(request_octets(method, str(step["at"]), given, body), method, step)

    def raw(self, step: Mapping[str, Any]) -> None:
        """Arguments: lines (of a request, without line ends), body, expect, as."""
        lines = "\r\n".join(str(line) for line in step["lines"]).encode("latin-1")
        method = str(step["lines"][0]).split(" ", 1)[0]
        self.exchange(lines + b"\r\n\r\n" + str(step.get("body", "")).encode(), method, step)

    def take(self, step: Mapping[str, Any]) -> None:
        """Of a kept answer: places (name -> place), header (name -> header); they become `${name}`.

        Raises:
            Failed: the answer has no such header.
            Inconclusive: the document has no such place, or none was kept.
        """
        kept = str(step["of"])
        for name, path in step.get("places", {}).items():
            found = at(self.document(kept), path)
            if not found:
                raise Inconclusive(f"{kept} has no {path}")
            self.names[name] = found[0]
        for name, header in step.get("header", {}).items():
            value = self.answers[kept].headers.get(header.lower()) if kept in self.answers else None
            if value is None:
                raise Failed(f"the answer has no header {header}")
            self.names[name] = value

    def same(self, step: Mapping[str, Any]) -> None:
        """The documents under the names `a` and `b` hold the same at each of `places`, or are the same as a whole.

        Raises:
            Failed: they differ.
            Inconclusive: one was not kept.
        """
        first, second = self.document(str(step["a"])), self.document(str(step["b"]))
        places = step.get("places")
        if places is None:
            texts = [etree.tostring(item, method="c14n") for item in (first, second)]
            if texts[0] != texts[1]:
                raise Failed(f"{step['a']} and {step['b']} differ")
            return
        for path in places:
            if at(first, path) != at(second, path):
                raise Failed(f"{path} differs: {at(first, path)} and {at(second, path)}")

    def document(self, name: str) -> etree._Element:
        """The document under a name.

        Raises:
            Inconclusive: no earlier step has kept one.
        """
        if name not in self.documents:
            raise Inconclusive(f"no earlier step has kept {name}")
        return self.documents[name]

    def exchange(self, octets: bytes, method: str, step: Mapping[str, Any]) -> Answer:
        """Send, note, check, keep."""
        self.evidence.append("> " + octets.split(b"\r\n", 1)[0].decode("latin-1")[:200])
        answer = self.wire.exchange(octets, method)
        self.evidence.append(f"< {answer.status} {len(answer.body)} octets")
        check(answer, step.get("expect", {}), self.validate)
        self.keep(step.get("as"), answer)
        return answer

    def keep(self, name: str | None, answer: Answer) -> None:
        """Keep an answer and its document under a name."""
        if name is None:
            return
        self.answers[name] = answer
        if answer.body:
            self.documents[name] = parsed(answer.body)
