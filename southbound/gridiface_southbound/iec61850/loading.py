"""Finds and checks tables of references. Owns nothing but their name and their templates."""

from __future__ import annotations

from gridiface_southbound.iec61850.table import ReferenceTable
from gridiface_southbound.points.loading import Loader

_LOADER = Loader(ReferenceTable, "gridiface_southbound.iec61850", "reference table", "kind, points")

template_names = _LOADER.template_names
load_table = _LOADER.load
