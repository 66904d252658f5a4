"""What SWEEP, the links of delivery chains and outages by region go by."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is overdue is found by integration, whatever waits behind another."""
    op.add_column(
        "integrations", sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "notifications",
        sa.Column("link", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "ix_notifications_backlog",
        "notifications",
        ["integration_id", sa.text("(attempts_made = 0)"), "ring_at"],
        postgresql_where=sa.text("ring_at IS NOT NULL"),
    )
    op.drop_index("ix_notifications_ring_at", "notifications")
    _part_outages_by_region()
    # An older program begins an outage of no region.
    op.execute("UPDATE compatibility SET serves_from = '0007'")


def _part_outages_by_region() -> None:
    op.drop_index("ix_outages_going_on", "outages")
    # What was an outage was one of all regions.
    op.add_column("outages", sa.Column("region", sa.Text(), server_default="us", nullable=False))
    op.execute(
        """INSERT INTO outages (region, began_at, seen_at, ended_at)
           SELECT 'eu', began_at, seen_at, ended_at FROM outages ORDER BY id"""
    )
    op.alter_column("outages", "region", server_default=None)
    op.create_index(
        "ix_outages_going_on",
        "outages",
        ["region"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "small_outages",
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("region", name=op.f("pk_small_outages")),
    )
