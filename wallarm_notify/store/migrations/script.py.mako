"""${message}."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    # Does a program that knows no newer revision than the one before this go on working with what this
    # makes, as in a rolling upgrade? If not, here: (docs/decisions/0012)
    # op.execute("UPDATE compatibility SET serves_from = ${repr(up_revision)}")
    ${upgrades if upgrades else "pass"}
