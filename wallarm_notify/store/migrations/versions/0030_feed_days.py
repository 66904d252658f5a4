"""When events of each client came, by day, and the longest time without one: what a feed's habit is known by."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a program from before knows nothing of it and goes on."""
    op.create_table(
        "feed_days",
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("longest_gap", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "day", name=op.f("pk_feed_days")),
    )
