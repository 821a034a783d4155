from gridiface.domain.envelope import Cause, FleetChanged, Held
from gridiface.errors import GridifaceError


def test_words_for_programs_are_lower_case_and_distinct():
    words = [cause.value for cause in Cause]
    assert len(set(words)) == len(words)
    assert all(word.replace("_", "").isalpha() and word == word.lower() for word in words)


def test_who_is_held_back_by_no_control_names_none():
    assert (Held(Cause.DAY, 1.0, 1).control_id, Held(Cause.DAY, 1.0, 1).source) == ("", "")
    assert issubclass(FleetChanged, GridifaceError)
