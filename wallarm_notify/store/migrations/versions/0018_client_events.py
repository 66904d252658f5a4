"""An index by which a client's events are listed and searched in the order they came."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index. Events that come meanwhile wait, or are tried again in place."""
    op.create_index("ix_events_client_id_no", "events", ["client_id", "no"], unique=False)
