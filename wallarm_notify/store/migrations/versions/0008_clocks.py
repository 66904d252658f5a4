"""Events ahead of the database's clock are kept apart, and what waits by a clock that was set back is mended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is not taken in yet, and what SWEEP knows of the database's clock."""
    op.create_table(
        "events_ahead",
        sa.Column("id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        _now("received_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events_ahead")),
    )
    op.create_index(op.f("ix_events_ahead_occurred_at"), "events_ahead", ["occurred_at"])
    op.create_index(op.f("ix_events_ahead_body_hash"), "events_ahead", ["body_hash"])
    op.add_column("upkeep_runs", sa.Column("transaction_id", sa.BigInteger()))
    op.create_table(
        "clock_jumps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _now("noticed_at"),
        sa.Column("back", sa.Interval(), nullable=False),
        sa.Column("written_before", sa.BigInteger(), nullable=False),
        sa.Column("noticed_in", sa.BigInteger(), nullable=False),
        sa.Column("mended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_jumps")),
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )
