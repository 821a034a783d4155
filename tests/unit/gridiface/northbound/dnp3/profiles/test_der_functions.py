"""Which inputs belong to which function, held against the outputs of the profile themselves."""

from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.profiles.der import rows
from gridiface.northbound.dnp3.profiles.der_functions import functions

ENTRIES = {row.entry.name: row.entry for row in rows()}


def test_what_reads_back_what_a_function_names_belongs_to_it():
    """Values that act while a mode is on, its times and its priority are read back by inputs of that function."""
    back = {entry.argument: entry for entry in ENTRIES.values() if entry.measure is Measure.READ_BACK}
    seen = 0
    for entry in ENTRIES.values():
        mode = entry.name if entry.action is Action.ENABLE else entry.enabled_by
        if not mode:
            continue
        named = {entry.hold_from, entry.window_from, entry.ramp_time_from, entry.priority_from}
        named |= {output for name, output in entry.parameters.items() if name != "nominal"}
        if entry.action is not Action.ENABLE:
            named.add(entry.name)
        for output in named & back.keys():
            assert back[output].effect_with == mode, (output, mode)
            seen += 1
    assert seen > 70


def test_whether_a_function_is_supported_and_enabled_is_told_always():
    for number in range(31, 52):
        assert ENTRIES[f"BI{number}"].effect_with == ""
    for number in range(64, 86):
        assert ENTRIES[f"BI{number}"].effect_with == ""


def test_every_input_named_is_there_and_its_output_enables():
    kinds = {ENTRIES[output].action for output in functions().values()}
    assert kinds == {Action.ENABLE, Action.NONE}  # none: functions that a fleet does not have
    assert {name for name in functions() if name not in ENTRIES} == set()
