"""Finds and checks register tables. Owns nothing but their name and their templates."""

from __future__ import annotations

from gridiface_southbound.modbus.table import RegisterTable
from gridiface_southbound.points.loading import Loader

_LOADER = Loader(RegisterTable, "gridiface_southbound.modbus", "register table", "kind, address_base, points")

template_names = _LOADER.template_names
load_table = _LOADER.load
