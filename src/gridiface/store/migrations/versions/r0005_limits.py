"""Performance tells how limits were kept, and how long devices took to take signals of the fast services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("limit_w", "excess_w", "over_s", "peak_w"):
        op.add_column("performance", sa.Column(name, sa.Double))
    op.add_column("performance", sa.Column("responses", sa.Text))
