"""Replay jobs: who replays what, and how far it has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a program from before knows nothing of it and goes on."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "replay_jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("states", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("severities", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("since", moment, nullable=True),
        sa.Column("ended_since", moment, nullable=True),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("sample", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("takes_at_least", sa.Interval(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column(
            "created_at", moment, nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.Column("worked_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay_jobs")),
    )
    op.create_index(
        "ix_replay_jobs_open",
        "replay_jobs",
        ["integration_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
