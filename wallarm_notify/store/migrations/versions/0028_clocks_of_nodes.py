"""Clocks of nodes: how much each is ahead of the database's."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a program from before leaves it as it is."""
    op.add_column("heartbeats", sa.Column("ahead", sa.Interval(), nullable=True))
