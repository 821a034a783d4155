"""The reference pages name everything that is declared."""

from __future__ import annotations

from gridiface.operator.api.reference import metrics_page, rest_page
from gridiface.operator.areas.catalogue import AREAS, every_route
from gridiface.operator.metrics import METRICS
from gridiface.operator.rows import control_schema


def test_each_route_parameter_and_field_is_on_the_page() -> None:
    page = rest_page(AREAS)
    for route in every_route():
        assert f"`{route.method} {route.path}`" in page
        asked = [*route.query.model_fields, *(route.body.model_fields if route.body else ())]
        assert [name for name in asked if f"`{name}`" not in page] == []
    assert [mode for mode in control_schema.OfferedMode.__args__ if mode not in page] == []


def test_links_on_the_page_lead_to_its_headings() -> None:
    page = rest_page(AREAS)
    headings = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("### ")}
    targets = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert targets <= headings


def test_each_metric_is_on_the_page() -> None:
    page = metrics_page()
    assert [name for name in METRICS if f"`{name}`" not in page] == []
