"""Triggers: what they ask, what they counted, and their firings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What spec 3 needs."""
    op.add_column("notifications", sa.Column("firing_id", sa.UUID(), nullable=True))
    _make_triggers()
    _make_counting()
    _make_firings()


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _criteria() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("filters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("threshold_count", sa.BigInteger(), nullable=True),
        sa.Column("threshold_period", sa.Integer(), nullable=True),
        sa.Column("integration_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
    )


def _make_triggers() -> None:
    op.create_table(
        "triggers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        *_criteria(),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        _time("deleted_at"),
        sa.CheckConstraint(
            "(threshold_count IS NULL) = (threshold_period IS NULL)",
            name=op.f("ck_triggers_threshold"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggers")),
    )
    op.create_index(
        "ix_triggers_client_id",
        "triggers",
        ["client_id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_triggers_deleted_at",
        "triggers",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def _make_counting() -> None:
    op.create_table(
        "trigger_cells",
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("fired", sa.Boolean(), nullable=False),
        sa.Column("event_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        _time("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "version", "cell", name=op.f("pk_trigger_cells")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "ix_trigger_cells_fired",
        "trigger_cells",
        ["trigger_id", "version", "cell"],
        postgresql_where=sa.text("fired"),
    )
    op.create_index("ix_trigger_cells_expires_at", "trigger_cells", ["expires_at"])
    op.create_table(
        "trigger_things",
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("thing", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "thing", name=op.f("pk_trigger_things")),
    )


def _make_firings() -> None:
    op.create_table(
        "firings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        _time("fired_at", nullable=False),
        sa.Column("trigger_name", sa.Text(), nullable=False),
        *_criteria(),
        sa.Column("count", sa.BigInteger(), nullable=False),
        _time("window_start"),
        _time("window_end"),
        sa.Column("event_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firings")),
        sa.UniqueConstraint("event_id", "trigger_id", name=op.f("uq_firings_event_id_trigger_id")),
    )
    op.create_index("ix_firings_trigger_id_fired_at", "firings", ["trigger_id", "fired_at"])
