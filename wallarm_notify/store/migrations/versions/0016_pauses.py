"""Until when integrations and triggers are disabled, and indexes by which beat finds those whose time has come.

Programs from before enable without clearing the time: whoever reads it takes it for none where its thing is enabled,
and beat clears it there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and their indexes. What is disabled already stays so until somebody enables it."""
    for table in ("integrations", "triggers"):
        op.add_column(table, sa.Column("disabled_until", sa.DateTime(timezone=True), nullable=True))
        op.create_index(
            f"ix_{table}_disabled_until",
            table,
            ["disabled_until"],
            unique=False,
            postgresql_where=sa.text("disabled_until IS NOT NULL"),
        )
