"""Templates into pages: the frame around every screen, what is in its menu, and what is known of the reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import jinja2
from aiohttp import web

from gridiface import __version__
from gridiface.operator.screens import words
from gridiface.operator.screens.cells import labelled
from gridiface.operator.screens.markup import coded, indented
from gridiface.segments import segment

#: Libraries that a build puts beside our own files; see hatch_build.py.
LIBRARIES = ("htmx.min.js", "idiomorph.min.js", "uplot.min.js", "uplot.min.css")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu. `needs`: the scope without which it is not shown; empty: it always is."""

    path: str
    label: str
    part: str = ""
    needs: str = ""


@dataclass(slots=True)
class Frame:
    """Renders pages and fragments of one site.

    Args:
        site: its name.
        reader: template variables that depend on who asks: name, csrf, what they may do.
        peer: what people call an identity.
    """

    site: Callable[[], str]
    reader: Callable[[web.Request], Mapping[str, object]] = lambda _: {}
    peer: Callable[[str], str] = words.short
    menu: list[Entry] = field(default_factory=list)
    libraries: bool = field(init=False)
    _templates: jinja2.Environment = field(init=False)

    def __post_init__(self) -> None:
        loader = jinja2.PackageLoader("gridiface.operator", "templates")
        self._templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {
            "power": words.power,
            "scaled": words.scaled,
            "number": words.number,
            "figure": words.figure,
            "percent": words.percent,
            "known_for": words.known_for,
            "duration": words.duration,
            "when": words.when,
            "asked": words.asked,
            "control_words": words.control_words,
            "protocol": words.protocol,
            "about": words.about,
            "peer": self.peer,
            "tone": words.tone,
            "badge": words.badge,
            "health": words.health,
            "advice": words.advice,
            "indented": indented,
            "coded": coded,
            # jinja2's `urlencode` leaves "/" as it is: right in a query, but an id in a path would lead elsewhere.
            "segment": segment,
            "json": lambda value: json.dumps(value, separators=(",", ":")),
        }
        vendor = files("gridiface.operator").joinpath("static", "vendor")
        self.libraries = all(vendor.joinpath(name).is_file() for name in LIBRARIES)

    def page(self, request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
        """A whole page."""
        text = self.text(template, request=request, here=request.rel_url.raw_path, **self.reader(request), **values)
        return web.Response(text=text, status=status, content_type="text/html")

    def fragment(self, request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
        """A part of a page, as htmx asks for it."""
        text = self.text(template, request=request, **self.reader(request), **values)
        return web.Response(text=text, status=status, content_type="text/html", headers={"Vary": "HX-Request"})

    def text(self, template: str, **values: object) -> str:
        """The filled template."""
        common = {
            "site": self.site(),
            "menu": self.menu,
            "libraries": self.libraries,
            "version": __version__,
            "reader": "",
            "role": "",
            "csrf": "",
            "may": frozenset(),
            "closed": frozenset(),
        }
        return labelled(self._templates.get_template(template).render(**{**common, **values}))


def wants_fragment(request: web.Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers
