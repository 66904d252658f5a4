"""Tables of what people changed: the activity log, and each version of a client's rules (spec 9)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from wallarm_notify.store.tables.columns import metadata, moment, numbered_id

# A line for each change that somebody made, written in the transaction of the change.
activity = sa.Table(
    "activity",
    metadata,
    numbered_id(),
    moment("at", nullable=False),
    # The client whose object it is; null where it belongs to none, as the secret keys.
    sa.Column("client_id", sa.BigInteger),
    # Who did it, in which role, and by which way in (domain.actor).
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    # The user whose token it was; null: none, as of a shared token, the command line and the system.
    sa.Column("user_id", sa.BigInteger),
    # What was done to what (domain.activity).
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object_type", sa.Text, nullable=False),
    sa.Column("object_id", sa.BigInteger),
    # The fields that differ, as they were and as they are; never a secret.
    sa.Column("before", JSONB, nullable=False),
    sa.Column("after", JSONB, nullable=False),
    sa.Index("ix_activity_at", "at"),
    sa.Index("ix_activity_client_id_id", "client_id", "id"),
)

# The integrations and triggers of a client as they stood from ``since`` to ``until``, when the next version took over.
# An event names the version that it was routed by.
rules_versions = sa.Table(
    "rules_versions",
    metadata,
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    moment("since", nullable=False),
    # Null in the version that stands.
    moment("until"),
    # As store.rules.RULES makes it; no keys.
    sa.Column("rules", JSONB, nullable=False),
    sa.PrimaryKeyConstraint("client_id", "version"),
    sa.Index(
        "ix_rules_versions_standing",
        "client_id",
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    ),
    sa.Index("ix_rules_versions_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
)
