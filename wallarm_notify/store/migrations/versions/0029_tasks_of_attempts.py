"""Tasks of attempts: by which task of Celery each was made, where somebody watched."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a program from before leaves it as it is."""
    op.add_column("attempts", sa.Column("task_id", sa.Uuid(), nullable=True))
