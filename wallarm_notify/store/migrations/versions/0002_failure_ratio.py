"""The failure ratio: whose attempts, counters by the minute, outages, and what switched off."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What spec 6 needs."""
    _widen_integrations_and_attempts()
    _make_counters()
    _make_decisions()


def _widen_integrations_and_attempts() -> None:
    for name, kind in (("generation", sa.Integer()), ("warned", sa.SmallInteger())):
        op.add_column(
            "integrations", sa.Column(name, kind, server_default=sa.text("0"), nullable=False)
        )
    op.add_column("attempts", sa.Column("integration_id", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("generation", sa.Integer(), nullable=True))
    # What was recorded before anything was counted stays outside of the ratio.
    op.execute(
        """UPDATE attempts a SET integration_id = n.integration_id
           FROM notifications n WHERE n.id = a.notification_id"""
    )
    # An attempt of nothing stays what it is: a finding of the ledger.
    op.execute("UPDATE attempts SET integration_id = 0 WHERE integration_id IS NULL")
    op.alter_column("attempts", "integration_id", nullable=False)
    op.create_index("ix_attempts_integration_id_at", "attempts", ["integration_id", "at"])
    op.create_index("ix_attempts_at", "attempts", ["at"])


def _make_counters() -> None:
    times = ("excusable_first_at", "excusable_last_at", "own_first_at", "own_last_at")
    numbers = ("attempts", "failed", "network", "server", "throttled", "client", "other")
    op.create_table(
        "health_minutes",
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in (*times, "succeeded_last_at")
        ),
        sa.CheckConstraint(
            "failed = network + server + throttled + client + other AND failed <= attempts",
            name=op.f("ck_health_minutes_failed"),
        ),
        sa.PrimaryKeyConstraint(
            "integration_id", "generation", "minute", name=op.f("pk_health_minutes")
        ),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_health_minutes_failed",
        "health_minutes",
        ["integration_id", "generation", "minute"],
        postgresql_where=sa.text("failed > 0"),
        postgresql_include=["failed", "network", "server", "throttled"],
    )
    op.create_index("ix_health_minutes_minute", "health_minutes", ["minute"])


def _make_decisions() -> None:
    op.create_table(
        "outages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    op.create_index(
        "ix_outages_going_on",
        "outages",
        [sa.text("(ended_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "switch_offs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch_offs")),
    )
    op.create_index("ix_switch_offs_integration_id_at", "switch_offs", ["integration_id", "at"])
