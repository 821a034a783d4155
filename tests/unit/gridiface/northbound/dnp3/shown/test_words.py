"""Every measure and action has words, and the reference page is what the code says."""

from pathlib import Path

import pytest

from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.shown.words import ACTIONS, MEASURES, reference_page

PAGE = Path(__file__).resolve().parents[6] / "docs" / "reference" / "dnp3-points.md"


def test_every_measure_and_action_has_words():
    assert set(MEASURES) == set(Measure)
    assert set(ACTIONS) == set(Action)


@pytest.mark.parametrize("text", ["MW set-point", "| 537 |", "`available_up_w`", "`max_w_percent`"])
def test_the_page_names_points_measures_and_actions(text):
    assert text in reference_page()


def test_the_page_in_the_tree_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "write the page again: see gridiface.northbound.dnp3.shown.words"
    )
