"""Finds and checks API tables. Owns nothing but their name and their templates."""

from __future__ import annotations

from gridiface_southbound.http.table import ApiTable
from gridiface_southbound.points.loading import Loader

_LOADER = Loader(ApiTable, "gridiface_southbound.http", "API table", "kind, requests, points")

template_names = _LOADER.template_names
load_table = _LOADER.load
