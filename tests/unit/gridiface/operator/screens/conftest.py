"""The pages stand on the REST areas: their tests use the same VTN and VEN."""

from __future__ import annotations

from tests.unit.gridiface.operator.areas.conftest import openadr

__all__ = ["openadr"]
