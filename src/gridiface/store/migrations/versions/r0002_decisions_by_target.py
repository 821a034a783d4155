"""Decisions by time and target: what concerned a device is found in the index, which still grows at its end only."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_decisions_at_target_id", "decisions", ["at", "target_id"])
    op.drop_index("ix_decisions_at", "decisions")
