"""What became of each integration's notifications by the hour, and a client's rejected events by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the index. What ended before is not counted by the hour."""
    op.create_table(
        "ended_by_hour",
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("integration_id", "hour", name=op.f("pk_ended_by_hour")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("ix_ended_by_hour_hour", "ended_by_hour", ["hour"], unique=False)
    op.create_index("ix_rejected_client_id_id", "rejected", ["client_id", "id"], unique=False)
