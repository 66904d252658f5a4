"""Tables of clients, their applications and their integrations (spec 0 and 1)."""

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
    # The client whose partner roles reach this one too; null: none. A parent has no parent itself.
    sa.Column("parent_id", sa.BigInteger),
    # Whether its people and programs are let in; its alerts go on either way.
    sa.Column("access", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.CheckConstraint("cloud IN ('us', 'eu', 'me')", name="cloud"),
    sa.Index(
        "ix_clients_parent_id", "parent_id", postgresql_where=sa.text("parent_id IS NOT NULL")
    ),
)

# The applications of a client, whose names people know them by; events have their numbers.
applications = sa.Table(
    "applications",
    metadata,
    sa.Column("client_id", sa.BigInteger, nullable=False),
    # -1 is the one of whatever has none; it is there without a row.
    sa.Column("id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # Kept, so that a deletion whose answer was lost can be asked for again.
    sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.PrimaryKeyConstraint("client_id", "id"),
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
    # The form of its alerts' summaries (domain.summary_form). What a program makes that knows of no forms has the
    # original's.
    sa.Column("summary", sa.Text, nullable=False, server_default=sa.text("'original'")),
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
    # When beat enables it again; null: somebody has to. Programs from before leave it when they enable, and when they
    # disable again: it counts only while ``disablings`` is as it was when it was set (store.pause_ends).
    moment("disabled_until"),
    sa.Column("until_disablings", sa.Integer),
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
    sa.CheckConstraint("summary IN ('original', 'brief', 'full')", name="summary"),
    sa.Index(
        "ix_integrations_client_id", "client_id", postgresql_where=sa.text("deleted_at IS NULL")
    ),
    sa.Index("ix_integrations_key_fingerprint", "key_fingerprint"),
    sa.Index(
        "ix_integrations_disabled_until",
        "disabled_until",
        postgresql_where=sa.text("disabled_until IS NOT NULL"),
    ),
    sa.Index(
        "ix_integrations_switched_off_at",
        "switched_off_at",
        postgresql_where=sa.text("switched_off_at IS NOT NULL"),
    ),
)

# The last drill of each integration (spec 1). What is kept is of one key and one region: under another key, or in the
# other region, nothing is proven.
drills = sa.Table(
    "drills",
    metadata,
    sa.Column("integration_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("key_fingerprint", sa.LargeBinary, nullable=False),
    # When the first drill by this key to this region began, and the last one.
    moment("first_at", nullable=False),
    moment("began_at", nullable=False),
    # When the last one's answer came, or that there is none; null while it is under way.
    moment("answered_at"),
    # When PagerDuty took one last; null: it never did.
    moment("proven_at"),
    # What became of the last one: the answer's status, or why it failed (domain.outcome.FailureReason).
    sa.Column("status_code", sa.SmallInteger),
    sa.Column("error", sa.Text),
    sa.Column("response", sa.Text),
    # Whether it settled its question (domain.drill.Drilled.settled); null while it is under way.
    sa.Column("settled", sa.Boolean),
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
