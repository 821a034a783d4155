"""Finds and checks signal tables. Owns nothing but their name and their templates."""

from __future__ import annotations

from gridiface_southbound.can.table import SignalTable
from gridiface_southbound.points.loading import Loader

_LOADER = Loader(SignalTable, "gridiface_southbound.can", "signal table", "kind, frames, points")

template_names = _LOADER.template_names
load_table = _LOADER.load
