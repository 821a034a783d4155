"""Finds and checks topic tables. Owns nothing but their name and their templates."""

from __future__ import annotations

from gridiface_southbound.mqtt.table import TopicTable
from gridiface_southbound.points.loading import Loader

_LOADER = Loader(TopicTable, "gridiface_southbound.mqtt", "topic table", "kind, points")

template_names = _LOADER.template_names
load_table = _LOADER.load
