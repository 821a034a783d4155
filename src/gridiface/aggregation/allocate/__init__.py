"""Splitting one total over many devices: strategies as plug-ins, caps of nested groups, phases, a quiet wire."""

from __future__ import annotations

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.registry import names, strategy

__all__ = ["BoolArray", "FloatArray", "IntArray", "Problem", "Strategy", "names", "strategy"]
