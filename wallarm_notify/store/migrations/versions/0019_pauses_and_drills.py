"""Which disabling an end belongs to, what drills left open, where their schedule goes on, rejected events by id.

A program from before disables without touching the end that an older disabling left: an end counts only with the
number under which it was set.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the index. Ends that stand belong to the disabling that stands."""
    for table, column, number in (
        ("integrations", "until_disablings", "disablings"),
        ("triggers", "until_version", "version"),
    ):
        op.add_column(table, sa.Column(column, sa.Integer(), nullable=True))
        op.execute(
            f"UPDATE {table} SET {column} = {number} WHERE disabled_until IS NOT NULL AND NOT enabled"  # noqa: S608 - names of our own
        )
    op.add_column("drills", sa.Column("settled", sa.Boolean(), nullable=True))
    op.add_column("upkeep_runs", sa.Column("reached", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_rejected_event_id",
        "rejected",
        ["event_id", "id"],
        unique=False,
        postgresql_where=sa.text("event_id IS NOT NULL AND resubmitted_as IS NULL"),
    )
