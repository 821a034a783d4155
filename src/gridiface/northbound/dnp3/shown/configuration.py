"""The configuration of points that masters may read and, where it is allowed, write by file transfer. No I/O.

Owns the file's form (JSON: event class, dead-band and variations by point), what is wrong with one, the configuration
that waits for its activation (ACTIVATE_CONFIG), and the durable form of the one that was activated. A file is taken
whole or not at all; one that only names some points leaves the others as they are.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridiface.domain.changes import Document, PutDocument
from gridiface.errors import ConfigError, LocalProtocolError
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.protocols.dnp3.files import FileStatus
from gridiface.protocols.dnp3.points import PointConfig
from gridiface.wording import said

_log = logging.getLogger("gridiface.dnp3")

SPACE = "dnp3.configuration"
NAME = "points.json"
MOST_OCTETS = 4 * 1024 * 1024


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    event_class: Annotated[int, Field(ge=0, le=3)] | None = None
    deadband: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    static_variation: Annotated[int, Field(ge=0, le=10)] | None = None
    event_variation: Annotated[int, Field(ge=0, le=10)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    points: list[_Row]


class Configuration:
    """The points of one outstation as they are configured, and as they may be soon.

    Args:
        station: its name.
        points: its map.
    """

    def __init__(self, station: str, points: PointMap) -> None:
        self._station = station
        self._known: dict[str, PointConfig] = {config.name: config for config in points.core()}
        self._staged: dict[str, PointConfig] | None = None

    @property
    def staged(self) -> bool:
        """Whether a configuration was written that is not activated."""
        return self._staged is not None

    def octets(self) -> bytes:
        """The file as it is read: every point."""
        return self._text(self._known)

    def stage(self, octets: bytes) -> FileStatus:
        """Take a file that was written, to be activated; one with a mistake changes nothing and is logged."""
        try:
            self._staged = self._parsed(octets)
        except ConfigError as problem:
            _log.warning("outstation %s: the configuration that a master wrote is refused: %s", self._station, problem)
            return FileStatus.FATAL
        return FileStatus.SUCCESS

    def waiting(self) -> dict[str, PointConfig]:
        """The points that the staged file changes."""
        return dict(self._staged or {})

    def document(self, changes: Mapping[str, PointConfig]) -> PutDocument:
        """The durable form of the present configuration with changes."""
        return PutDocument(SPACE, self._station, self._text(self._known | dict(changes)))

    def activated(self, changes: Mapping[str, PointConfig]) -> None:
        """Changes are in force; a file that was written meanwhile goes on waiting."""
        self._known |= changes
        if self._staged == changes:
            self._staged = None

    def load(self, documents: Iterable[Document]) -> dict[str, PointConfig]:
        """The points that were configured over the wire before the restart; those that are gone are passed over."""
        for document in documents:
            if document.space == SPACE and document.key == self._station:
                try:
                    found = self._parsed(document.body, lenient=True)
                except ConfigError as problem:
                    _log.error("outstation %s: its written configuration cannot be used any more: %s",
                               self._station, problem)  # fmt: skip
                    return {}
                changed = {name: config for name, config in found.items() if config != self._known[name]}
                self._known |= changed
                return changed
        return {}

    def _parsed(self, octets: bytes, *, lenient: bool = False) -> dict[str, PointConfig]:
        """The points that a file changes.

        Raises:
            ConfigError: it is too large, no JSON of this form, names a point twice or one that is not there, or asks
                for a variation that the point does not have.
        """
        if len(octets) > MOST_OCTETS:
            raise ConfigError(f"larger than {MOST_OCTETS} octets")
        try:
            rows = _File.model_validate_json(octets).points
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            raise ConfigError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {said(first)}") from problem
        found: dict[str, PointConfig] = {}
        for row in rows:
            known = self._known.get(row.name)
            if known is None and lenient:
                continue
            if known is None or row.name in found:
                raise ConfigError(f"point {row.name!r} is {'not there' if known is None else 'there twice'}")
            wanted = row.model_dump(exclude={"name"}, exclude_none=True)
            try:
                found[row.name] = replace(known, **wanted)
            except LocalProtocolError as problem:
                raise ConfigError(f"point {row.name!r}: {problem}") from problem
        return found

    @staticmethod
    def _text(points: Mapping[str, PointConfig]) -> bytes:
        rows = [
            {
                "name": config.name,
                "event_class": config.event_class,
                "deadband": config.deadband,
                "static_variation": config.static_variation,
                "event_variation": config.event_variation,
            }
            for config in points.values()
        ]
        return json.dumps({"points": rows}, indent=1).encode()
