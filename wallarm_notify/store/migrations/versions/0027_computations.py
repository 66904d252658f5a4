"""Computations: explanations and simulations that workers do."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a program from before knows nothing of it and goes on."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "computations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("asked", postgresql.JSON(), nullable=False),
        sa.Column("result", postgresql.JSON(), nullable=True),
        sa.Column("left_out", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column(
            "created_at", moment, nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.Column("worked_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_computations")),
    )
    op.create_index(
        "ix_computations_open",
        "computations",
        ["id"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_computations_client", "computations", ["client_id", "id"])
    op.create_index("ix_computations_ended", "computations", ["ended_at"])
