"""What SWEEP, the links of delivery chains and outages by region go by."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0004"
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
