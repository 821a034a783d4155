"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _serial() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _double(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def upgrade() -> None:
    _state()
    _history()


def _state() -> None:
    op.create_table(
        "documents",
        _text("space"),
        _text("key"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("space", "key", name="pk_documents"),
    )
    op.create_table(
        "controls",
        _text("id"),
        _text("target_kind"),
        _text("target_id"),
        _text("state"),
        _double("created"),
        _double("live_until"),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name="pk_controls"),
    )
    op.create_index("ix_controls_live_until", "controls", ["live_until"])
    op.create_table(
        "meta",
        _text("key"),
        _text("value"),
        _double("updated"),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def _history() -> None:
    op.create_table(
        "outcomes",
        _serial(),
        _text("control_id"),
        _text("device_id"),
        sa.Column("kind", sa.Integer(), nullable=False),
        _double("at"),
        _text("reason"),
        sa.PrimaryKeyConstraint("id", name="pk_outcomes"),
    )
    op.create_index(
        "ix_outcomes_control_id_device_id_kind", "outcomes", ["control_id", "device_id", "kind"], unique=True
    )
    op.create_table(
        "readings",
        _serial(),
        _text("device_id"),
        _text("quantity"),
        _double("value", nullable=True),
        _double("source_time"),
        _double("received"),
        _text("quality"),
        _text("phase"),
        _double("duration_s"),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
    )
    op.create_index("ix_readings_device_id_source_time", "readings", ["device_id", "source_time"])
    _accounts()


def _accounts() -> None:
    op.create_table(
        "decisions",
        _serial(),
        _double("at"),
        *map(_text, ("target_kind", "target_id", "signal", "protocol", "program", "identity")),
        _double("authority"),
        *map(_text, ("verdict", "reason", "control_id")),
        _double("value", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_at", "decisions", ["at"])
    op.create_index("ix_decisions_control_id_at", "decisions", ["control_id", "at"])
    powers = ("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w")
    op.create_table(
        "performance",
        _text("control_id"),
        _text("target_id"),
        _double("start"),
        _double("end"),
        *(_double(name, nullable=True) for name in powers),
        _text("quality"),
        sa.PrimaryKeyConstraint("control_id", "target_id", "start", name="pk_performance"),
    )
    op.create_table(
        "deliveries",
        _serial(),
        _text("device_id"),
        _double("at"),
        _text("outcome"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("detail"),
        _text("setpoint"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_device_id_at", "deliveries", ["device_id", "at"])
