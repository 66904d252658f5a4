"""Which programs a schema serves, as it says itself: a newer one need not stop older programs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row: programs from before do not read it, and refuse what they do not know."""
    compatibility = op.create_table(
        "compatibility",
        sa.Column("one", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("serves_from", sa.Text(), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_compatibility_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_compatibility")),
    )
    op.bulk_insert(compatibility, [{"serves_from": revision}])
