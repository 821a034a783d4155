"""The pages stand on the REST areas: their tests use the same VTN and VEN."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PLACE = Path(__file__).parents[1] / "areas" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("openadr_of_the_areas", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
_AREAS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_AREAS)

openadr = _AREAS.openadr
