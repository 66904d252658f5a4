"""The activity log, and the versions of each client's rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both, and keep the rules that stand now as each client's first version."""
    # Whoever changes rules at this moment is waited for, and nobody else does until the end: else the first
    # version would lack a change. Before anything else is locked, for a change locks these first too.
    op.execute("LOCK TABLE integrations, triggers IN SHARE MODE")
    _make_activity()
    _make_rules_versions()
    # Null in events that were routed before there were versions.
    op.add_column("events", sa.Column("rules_version", sa.Integer(), nullable=True))
    op.execute(
        """INSERT INTO rules_versions (client_id, version, since, rules)
           SELECT c.id, 1, clock_timestamp(), jsonb_build_object(
               'integrations', (
                   SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'id', i.id, 'name', i.name, 'region', i.region, 'subscriptions', i.subscriptions,
                       'enabled', i.enabled, 'disabled_at', i.disabled_at, 'disabled_by', i.disabled_by,
                       'disabled_reason', i.disabled_reason) ORDER BY i.id), '[]')
                   FROM integrations i WHERE i.client_id = c.id AND i.deleted_at IS NULL),
               'triggers', (
                   SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'id', t.id, 'name', t.name, 'enabled', t.enabled, 'condition', t.condition,
                       'filters', t.filters, 'threshold_count', t.threshold_count,
                       'threshold_period', t.threshold_period, 'integration_ids', t.integration_ids,
                       'version', t.version) ORDER BY t.id), '[]')
                   FROM triggers t WHERE t.client_id = c.id AND t.deleted_at IS NULL))
           FROM (SELECT client_id AS id FROM integrations WHERE deleted_at IS NULL
                 UNION SELECT client_id FROM triggers WHERE deleted_at IS NULL) c"""
    )
    # A program from before would change rules and leave their version as it is.
    op.execute("UPDATE compatibility SET serves_from = '0011'")


def _make_rules_versions() -> None:
    op.create_table(
        "rules_versions",
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rules", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "version", name=op.f("pk_rules_versions")),
    )
    op.create_index(
        "ix_rules_versions_standing",
        "rules_versions",
        ["client_id"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_index(
        "ix_rules_versions_until",
        "rules_versions",
        ["until"],
        unique=False,
        postgresql_where=sa.text("until IS NOT NULL"),
    )


def _make_activity() -> None:
    op.create_table(
        "activity",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
    )
    op.create_index("ix_activity_at", "activity", ["at"], unique=False)
    op.create_index("ix_activity_client_id_id", "activity", ["client_id", "id"], unique=False)
