"""How alerts read and which are one: the form of summaries, and a trigger's severity and group."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; integrations that exist keep the original's summaries, on which rules in PagerDuty match."""
    op.add_column(
        "integrations",
        sa.Column("summary", sa.Text(), nullable=False, server_default=sa.text("'original'")),
    )
    op.create_check_constraint(
        "summary", "integrations", "summary IN ('original', 'brief', 'full')"
    )
    for table in ("triggers", "firings"):
        op.add_column(table, sa.Column("severity", sa.SmallInteger(), nullable=True))
        op.add_column(
            table,
            sa.Column("alert_group", sa.Text(), nullable=False, server_default=sa.text("'each'")),
        )
    op.create_check_constraint(
        "alert_group", "triggers", "alert_group IN ('each', 'trigger', 'host', 'ip', 'application')"
    )
