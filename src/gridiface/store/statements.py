"""The statements of the hot path, compiled once per engine from the tables. Owns no connection.

Rows are plain tuples in the order of `COLUMNS`; one statement takes many rows (executemany).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Dialect, Table, bindparam, delete, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from gridiface.store import tables


class Op(StrEnum):
    """What is done to a table."""

    PUT_DOCUMENT = "put document"
    KEEP_DOCUMENT = "keep document"
    DELETE_DOCUMENT = "delete document"
    PUT_CONTROL = "put control"
    APPEND_OUTCOME = "append outcome"
    APPEND_READING = "append reading"
    APPEND_DECISION = "append decision"
    PUT_PERFORMANCE = "put performance"
    APPEND_DELIVERY = "append delivery"


TABLES: Mapping[Op, Table] = {
    Op.PUT_DOCUMENT: tables.documents,
    Op.KEEP_DOCUMENT: tables.documents,
    Op.DELETE_DOCUMENT: tables.documents,
    Op.PUT_CONTROL: tables.controls,
    Op.APPEND_OUTCOME: tables.outcomes,
    Op.APPEND_READING: tables.readings,
    Op.APPEND_DECISION: tables.decisions,
    Op.PUT_PERFORMANCE: tables.performance,
    Op.APPEND_DELIVERY: tables.deliveries,
}

#: The columns that a row of each operation fills, in order; the database numbers the rest.
COLUMNS: Mapping[Op, tuple[str, ...]] = {
    op: ("space", "key", "body")
    if op in {Op.PUT_DOCUMENT, Op.KEEP_DOCUMENT}
    else ("space", "key")
    if op is Op.DELETE_DOCUMENT
    else tuple(column.name for column in table.columns if column.autoincrement is not True)
    for op, table in TABLES.items()
}

#: Operations that only add rows and never collide: PostgreSQL may take them by COPY.
APPENDS = frozenset({Op.APPEND_READING, Op.APPEND_DECISION, Op.APPEND_DELIVERY})


def compiled(dialect: Dialect) -> dict[Op, str]:
    """The SQL of each operation, with positional parameters in the order of `COLUMNS`.

    Args:
        dialect: an instance of SQLAlchemy's sqlite or postgresql+asyncpg dialect.
    """
    return {op: _text(_statement(op, dialect.name), op, dialect) for op in Op}


def _text(statement: ClauseElement, op: Op, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect, column_keys=list(COLUMNS[op])))


def _statement(op: Op, engine: str) -> ClauseElement:
    table = TABLES[op]
    if op is Op.DELETE_DOCUMENT:
        return delete(table).where(table.c.space == bindparam("space"), table.c.key == bindparam("key"))
    # inline(): nobody asks for the row's number, so PostgreSQL need not send it back.
    insert = (sqlite.insert(table) if engine == "sqlite" else postgresql.insert(table)).inline()
    if op in APPENDS:
        return insert
    if op is Op.APPEND_OUTCOME:
        return insert.on_conflict_do_nothing(index_elements=["control_id", "device_id", "kind"])
    if table is tables.documents:
        # A new key starts at version 1; the count is the database's own, so that no caller has to know it.
        insert = insert.values(
            space=bindparam("space"), key=bindparam("key"), body=bindparam("body"), version=literal_column("1")
        )
        if op is Op.KEEP_DOCUMENT:
            return insert.on_conflict_do_nothing(index_elements=list(table.primary_key.columns))
        changed = {"body": insert.excluded.body, "version": table.c.version + literal_column("1")}
    else:
        changed = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)
