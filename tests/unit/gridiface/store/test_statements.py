"""The compiled statements take their rows in the declared order, on both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

from gridiface.store.statements import APPENDS, COLUMNS, TABLES, Op, compiled

DIALECTS = {"sqlite": sqlite.dialect(paramstyle="qmark"), "postgresql": asyncpg.dialect()}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
def test_each_operation_takes_one_parameter_per_column_in_order(dialect: Dialect) -> None:
    for op, sql in compiled(dialect).items():
        if dialect.name == "sqlite":
            assert sql.count("?") == len(COLUMNS[op])
        else:
            places = [sql.index(f"${number + 1}::") for number in range(len(COLUMNS[op]))]
            assert places == sorted(places)
            assert f"${len(COLUMNS[op]) + 1}" not in sql
        if op is not Op.DELETE_DOCUMENT:
            named = sql.split("(", 1)[1].split(")", 1)[0].replace('"', "").split(", ")
            assert named[: len(COLUMNS[op])] == list(COLUMNS[op])


def test_rows_that_may_be_copied_need_no_rule_for_collisions() -> None:
    for op, sql in compiled(DIALECTS["postgresql"]).items():
        assert ("CONFLICT" not in sql and "DELETE" not in sql) == (op in APPENDS)


def test_every_column_but_the_number_is_filled() -> None:
    for op, table in TABLES.items():
        if op not in {Op.PUT_DOCUMENT, Op.KEEP_DOCUMENT, Op.DELETE_DOCUMENT}:
            assert set(COLUMNS[op]) == set(table.columns.keys()) - ({"id"} if op is not Op.PUT_CONTROL else set())
