"""How many events of a client were rejected on a day: beyond a limit they are counted and not kept."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What bounds the rows of a flood."""
    op.create_table(
        "rejected_by_day",
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "day", name=op.f("pk_rejected_by_day")),
    )
