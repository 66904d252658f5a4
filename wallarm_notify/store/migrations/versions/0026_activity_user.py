"""Which user made a change: people are sought by their numbers, names change."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what a program from before writes has none."""
    for table in ("activity", "replay_jobs"):
        op.add_column(table, sa.Column("user_id", sa.BigInteger(), nullable=True))
