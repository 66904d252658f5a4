"""Undecodable messages: how large they were, and when they were re-submitted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What tells a whole message from one that is cut, and one that is done from one that waits."""
    op.add_column("undecodable", sa.Column("size", sa.BigInteger(), nullable=True))
    op.add_column(
        "undecodable", sa.Column("resubmitted_at", sa.DateTime(timezone=True), nullable=True)
    )
