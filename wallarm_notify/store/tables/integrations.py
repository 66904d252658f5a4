"""Tables of clients and their integrations (spec 0 and 1)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wallarm_notify.store.tables.columns import metadata, moment, moment_of_insert, numbered_id

# What alerts say of a client. A client needs no row here, and a row no field but the id (spec 0).
clients = sa.Table(
    "clients",
    metadata,
    # The company's id.
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    # Where links into the console lead; null: to the cloud that the setting CLOUD names.
    sa.Column("cloud", sa.Text),
    sa.Column("partner_name", sa.Text),
    sa.CheckConstraint("cloud IN ('us', 'eu', 'me')", name="cloud"),
)

integrations = sa.Table(
    "integrations",
    metadata,
    numbered_id(),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    # Null once it is deleted, as its other settings: only ids and times stay. Region and key are kept until its last
    # notification has ended.
    sa.Column("name", sa.Text),
    sa.Column("region", sa.Text),
    # The key, encrypted: a Fernet token. Null once wiped.
    sa.Column("key_token", sa.LargeBinary),
    # An HMAC of the key, which identifies it for the rate limit and for warnings without revealing it.
    sa.Column("key_fingerprint", sa.LargeBinary),
    # The key's last four characters, by which people know it.
    sa.Column("key_last4", sa.Text),
    sa.Column("subscriptions", ARRAY(sa.Text), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # How often it was disabled. A notification made under a lower count is cancelled.
    sa.Column("disablings", sa.Integer, nullable=False, server_default=sa.text("0")),
    # Numbers its clean failure windows: enabling, a new key and a new region begin one (spec 6).
    sa.Column("generation", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The highest warning of its failure ratio that was given and still holds, in per cent; 0: none.
    sa.Column("warned", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    # When it was disabled last, by whoever; stays when it is enabled again.
    moment("switched_off_at"),
    # Since when it is disabled, by whom and why; null while it is enabled.
    moment("disabled_at"),
    sa.Column("disabled_by", sa.Text),
    sa.Column("disabled_reason", sa.Text),
    # Since when it is slow: an answer took a second or more, and none under a second has come since (engine 11).
    moment("slow_since"),
    # When it was slow last; null if it never was.
    moment("recovered_at"),
    # The bulkhead of a slow integration, one send at a time across all workers: until when it is taken.
    moment("bulkhead_until"),
    # Which claim has taken it. Only that one frees it.
    sa.Column("bulkhead_token", sa.Text),
    sa.Column("created_by", sa.Text),
    moment_of_insert("created_at"),
    moment("deleted_at"),
    sa.CheckConstraint("region IN ('us', 'eu')", name="region"),
    sa.Index(
        "ix_integrations_client_id", "client_id", postgresql_where=sa.text("deleted_at IS NULL")
    ),
    sa.Index("ix_integrations_key_fingerprint", "key_fingerprint"),
    sa.Index(
        "ix_integrations_switched_off_at",
        "switched_off_at",
        postgresql_where=sa.text("switched_off_at IS NOT NULL"),
    ),
)

# The rate limit of each key: which requests the window has granted and reserved (domain.rate_limit.Grants, engine 19).
rate_limits = sa.Table(
    "rate_limits",
    metadata,
    sa.Column("key_fingerprint", sa.LargeBinary, primary_key=True),
    # The grants and reservations.
    sa.Column("grants", JSONB, nullable=False),
    # When they changed last. PRUNE deletes rows whose window is over and whose key no integration has any more.
    moment("touched_at", nullable=False),
)
