"""What our HTTP listeners and requests call the program behind them: its name, and no version of anything.

aiohttp writes its own and Python's version into each response that names no server, also into those that it makes
itself of a request it cannot read; the default is the one place that all of them have in common.
"""

from __future__ import annotations

from aiohttp import web_response

#: Of Server and User-Agent.
HTTP_NAME = "gridiface"


def name_ourselves() -> None:
    """Make it the Server of every response that aiohttp writes in this process from now on."""
    setattr(web_response, "SERVER_SOFTWARE", HTTP_NAME)  # noqa: B010 - no name that the module exports
