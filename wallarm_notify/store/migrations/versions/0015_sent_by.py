"""Who sent an event: the process, as it names itself. Events from before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which no row has to be written for."""
    for table in ("events", "events_ahead", "rejected"):
        op.add_column(table, sa.Column("sent_by", sa.Text()))
