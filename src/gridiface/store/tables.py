"""The tables of the store as SQLAlchemy metadata: one declaration for SQLite and PostgreSQL.

Owns names, types, keys and indexes; owns no statement and no row. Instants are DOUBLE (REAL in SQLite), seconds
since 1970 UTC. A change here needs a revision in migrations/; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

#: Names for every constraint, so that a later revision can speak of them on both engines.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite makes only an INTEGER PRIMARY KEY the row's own number; PostgreSQL wants 64 bits named.
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")

documents = Table(
    "documents",
    metadata,
    Column("space", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
)

#: `body` holds the whole control as JSON; the other columns repeat what queries need. `live_until` may be infinite.
controls = Table(
    "controls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("live_until", Double, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "live_until"),
)

#: `device_id` is empty where the outcome speaks of the control as a whole: NULLs would not be unique.
outcomes = Table(
    "outcomes",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("control_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "control_id", "device_id", "kind", unique=True),
)

#: `value` is NULL where the reading is not a number: SQLite cannot hold a NaN.
readings = Table(
    "readings",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("device_id", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("value", Double),
    Column("source_time", Double, nullable=False),
    Column("received", Double, nullable=False),
    Column("quality", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("duration_s", Double, nullable=False),
    Index(None, "device_id", "source_time"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("signal", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("authority", Double, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("value", Double),
    # By time first: rows come in its order, so that thousands at once touch a page or two. By target first they would
    # touch one each. Who looks for a target reads the index alone, the newest first, until there are enough.
    Index(None, "at", "target_id"),
    Index(None, "control_id", "at"),
)

performance = Table(
    "performance",
    metadata,
    Column("control_id", Text, primary_key=True),
    Column("target_id", Text, primary_key=True),
    Column("start", Double, primary_key=True),
    Column("end", Double, nullable=False),
    Column("requested_w", Double),
    Column("accepted_w", Double),
    Column("allocated_w", Double),
    Column("acknowledged_w", Double),
    Column("delivered_w", Double),
    Column("quality", Text, nullable=False),
    Column("known", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("limit_w", Double),
    Column("excess_w", Double),
    Column("over_s", Double),
    Column("peak_w", Double),
    Column("responses", Text),
)

#: `setpoint` is the whole set-point as JSON.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("device_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("setpoint", Text, nullable=False),
    Index(None, "device_id", "at"),
)

#: The store's own notes, among them each PostgreSQL writer's last batch (see postgres.py).
meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated", Double, nullable=False),
)

#: The tables that hold the operator's data, in the order in which an archive lists them.
DATA_TABLES = (documents, controls, outcomes, readings, decisions, performance, deliveries)
