"""Performance tells why nothing is known of a time for which a control asked for something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("performance", sa.Column("reason", sa.Text, nullable=False, server_default=sa.text("''")))
