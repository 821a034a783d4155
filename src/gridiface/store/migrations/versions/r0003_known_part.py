"""Performance tells for which part of an interval its power was measured; of older rows only whether it was at all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("performance", sa.Column("known", sa.Double, nullable=False, server_default=sa.text("1")))
    op.execute(sa.text("UPDATE performance SET known = 0 WHERE delivered_w IS NULL"))
