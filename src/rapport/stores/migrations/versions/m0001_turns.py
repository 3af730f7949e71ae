"""What a turn remembers: who is held out, what was delivered. Memories before versions were counted have it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables where they are not there."""
    if sa.inspect(op.get_bind()).has_table("delivery"):
        return
    op.create_table(
        "holdout",
        sa.Column("household_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("turn", sa.Text, primary_key=True),
    )
    op.create_table(
        "delivery",
        sa.Column("touch_id", sa.Text, primary_key=True),
        sa.Column("customer_key", sa.BigInteger, nullable=False),
        sa.Column("turn", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("carried", sa.Integer, nullable=False),
    )
    op.create_index("delivery_by_day", "delivery", ["day", "customer_key"])
