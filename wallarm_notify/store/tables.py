"""The tables. What each column means is said here once; the queries are in ``store``.

Times are ``timestamptz`` by the database's clock. Notifications and attempts carry no foreign
keys: they are inserted by the hundred, a check for each row costs as much as the row, and the
ledger finds an orphan (docs/decisions/0003).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.schema import Identity

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _time(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> Column[object]:
    return Column(
        name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
    )


clients = Table(
    "clients",
    metadata,
    # The company's id; the record is optional (spec 0), every field of it too.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text),
    Column("cloud", Text),
    Column("partner_name", Text),
    CheckConstraint("cloud IN ('us', 'eu', 'me')", name="cloud"),
)

integrations = Table(
    "integrations",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("client_id", BigInteger, nullable=False),
    # Null once deleted, like the other settings: only the id stays.
    Column("name", Text),
    Column("region", Text),
    # Fernet token of the key; null once wiped.
    Column("key_token", LargeBinary),
    # HMAC of the key: tells keys apart for pacing and warnings without being one.
    Column("key_fingerprint", LargeBinary),
    Column("key_last4", Text),
    Column("subscriptions", ARRAY(Text), nullable=False),
    Column("enabled", Boolean, nullable=False),
    # How often it was switched off: notifications made before the latest time are cancelled.
    Column("disablings", Integer, nullable=False, server_default=text("0")),
    # Numbers its clean failure windows: enabling, a new key and a new region begin one (spec 6).
    Column("generation", Integer, nullable=False, server_default=text("0")),
    # The highest warning of its failure ratio that was given and still stands, in per cent.
    Column("warned", SmallInteger, nullable=False, server_default=text("0")),
    _time("switched_off_at"),
    _time("disabled_at"),
    Column("disabled_by", Text),
    Column("disabled_reason", Text),
    # Set while an answer took a second or more and none under a second came since.
    _time("slow_since"),
    # When it was slow last; null if it never was.
    _time("recovered_at"),
    # A slow integration gets one send at a time: until when the lane is taken.
    _time("lane_until"),
    # Which claim holds it: only that one frees it.
    Column("lane_token", Text),
    Column("created_by", Text),
    _now("created_at"),
    _time("deleted_at"),
    CheckConstraint("region IN ('us', 'eu')", name="region"),
)
Index(
    "ix_integrations_client_id",
    integrations.c.client_id,
    postgresql_where=integrations.c.deleted_at.is_(None),
)
Index("ix_integrations_key_fingerprint", integrations.c.key_fingerprint)
Index(
    "ix_integrations_switched_off_at",
    integrations.c.switched_off_at,
    postgresql_where=integrations.c.switched_off_at.is_not(None),
)

events = Table(
    "events",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("client_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    _time("occurred_at", nullable=False),
    # The whole object as the producer sent it, unknown fields included; U+FFFD for what is no character.
    Column("body", JSONB, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    # How many notifications routing made of it: what the ledger holds the rows against.
    Column("fan_out", Integer, nullable=False),
    _now("received_at"),
)
Index("ix_events_received_at", events.c.received_at)

events_ahead = Table(
    "events_ahead",
    metadata,
    # Events whose time is ahead of the database's clock, kept apart until it is not: then SWEEP has them
    # taken in, and received counts them (spec 2). Whatever is here is outside of received.
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("client_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    _time("occurred_at", nullable=False),
    Column("body", JSONB, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    _now("received_at"),
)
Index("ix_events_ahead_occurred_at", events_ahead.c.occurred_at)
Index("ix_events_ahead_body_hash", events_ahead.c.body_hash)

rejected = Table(
    "rejected",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # Of the whole body: a batch that runs twice lists it once.
    Column("body_hash", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    # Canonical JSON in ASCII; where it is cut, the first 64 kB of it in UTF-8.
    Column("body_text", Text, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("event_id", UUID(as_uuid=True)),
    Column("client_id", BigInteger),
    Column("type", Text),
    # The event it became when it was re-submitted; null while it is rejected.
    Column("resubmitted_as", UUID(as_uuid=True)),
    _now("received_at"),
    UniqueConstraint("body_hash"),
)
Index("ix_rejected_received_at", rejected.c.received_at)

rejected_by_day = Table(
    "rejected_by_day",
    metadata,
    # 0: of no known client; -1: messages that could not be decoded.
    Column("client_id", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("kept", Integer, nullable=False),
    PrimaryKeyConstraint("client_id", "day"),
)

undecodable = Table(
    "undecodable",
    metadata,
    # Messages that were no JSON or no task of ours: outside received (spec 2).
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("content_type", Text),
    # The first 64 kB.
    Column("body", LargeBinary, nullable=False),
    # Bytes of the whole; null in rows from before it was noted.
    Column("size", BigInteger),
    # When its events were taken in after all; null while it is undecodable.
    _time("resubmitted_at"),
    _now("received_at"),
)
Index("ix_undecodable_received_at", undecodable.c.received_at)

quarantine = Table(
    "quarantine",
    metadata,
    # Calls of events.ingest that came back from workers that died, and those set aside for it.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("deaths", SmallInteger, nullable=False),
    _now("noted_at"),
    # What follows only of those set aside.
    Column("set_aside_at", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    Column("content_type", Text),
    Column("content_encoding", Text),
    Column("headers", Text),
    Column("body", LargeBinary),
    UniqueConstraint("digest"),
)
Index(
    "ix_quarantine_retry_at", quarantine.c.retry_at, postgresql_where=text("retry_at IS NOT NULL")
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("client_id", BigInteger, nullable=False),
    Column("integration_id", BigInteger, nullable=False),
    # The event it is of, or the event that made its firing: with origin and integration its identity.
    Column("event_id", UUID(as_uuid=True), nullable=False),
    # Null where it is of the event itself.
    Column("firing_id", UUID(as_uuid=True)),
    Column("origin", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    # An integration's notification of its own end: first cycle only.
    Column("last", Boolean, nullable=False, server_default=false()),
    _now("created_at"),
    # What changes: see domain.notification.Notification.
    Column("state", Text, nullable=False),
    Column("run", Integer, nullable=False, server_default=text("1")),
    Column("attempts_made", Integer, nullable=False, server_default=text("0")),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("lost_claims", Integer, nullable=False, server_default=text("0")),
    Column("rings", Integer, nullable=False, server_default=text("0")),
    Column("disablings", Integer, nullable=False),
    _time("due_at", nullable=False),
    _time("lease_until"),
    _time("ring_at"),
    _time("finished_at"),
    # Why it ended where no attempt says so.
    Column("end_reason", Text),
    # Which message carries it: an older one is not enqueued again.
    Column("link", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("event_id", "origin", "integration_id"),
    CheckConstraint(
        "state IN ('pending', 'retrying', 'delivered', 'failed', 'cancelled', 'skipped')",
        name="state",
    ),
    # Every insert and every change touches few indexes; leave room in the page for it.
    postgresql_with={"fillfactor": 80},
)
# Who has something overdue, in which queue: SWEEP goes from one integration to the next.
Index(
    "ix_notifications_backlog",
    notifications.c.integration_id,
    text("(attempts_made = 0)"),
    notifications.c.ring_at,
    postgresql_where=notifications.c.ring_at.is_not(None),
)
Index(
    "ix_notifications_open",
    notifications.c.integration_id,
    postgresql_where=notifications.c.finished_at.is_(None),
)
Index(
    "ix_notifications_ended",
    notifications.c.integration_id,
    notifications.c.state,
    notifications.c.finished_at,
    postgresql_where=notifications.c.state.in_(["failed", "skipped", "cancelled"]),
)
Index(
    "ix_notifications_finished_at",
    notifications.c.finished_at,
    postgresql_where=notifications.c.finished_at.is_not(None),
)
Index("ix_notifications_client_id_id", notifications.c.client_id, notifications.c.id)

attempts = Table(
    "attempts",
    metadata,
    # One HTTP request; its identity is the claim under which it was made.
    Column("notification_id", BigInteger, nullable=False),
    Column("claim", Integer, nullable=False),
    Column("integration_id", BigInteger, nullable=False),
    # The clean failure window it counts in; null where it is outside of the ratio (spec 1).
    Column("generation", Integer),
    Column("run", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    _time("at", nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
    Column("response", Text, nullable=False),
    PrimaryKeyConstraint("notification_id", "claim"),
)
# What one integration's window held, as explain shows it.
Index("ix_attempts_integration_id_at", attempts.c.integration_id, attempts.c.at)
# A time range of everybody's, as a policy is simulated over it.
Index("ix_attempts_at", attempts.c.at)

health_minutes = Table(
    "health_minutes",
    metadata,
    # An integration's attempts of one minute, counted in the transaction that records them: see
    # domain.health.Counts. Kept as long as the failure window.
    Column("integration_id", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    _time("minute", nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("network", Integer, nullable=False),
    Column("server", Integer, nullable=False),
    Column("throttled", Integer, nullable=False),
    Column("client", Integer, nullable=False),
    Column("other", Integer, nullable=False),
    _time("excusable_first_at"),
    _time("excusable_last_at"),
    _time("own_first_at"),
    _time("own_last_at"),
    _time("succeeded_last_at"),
    PrimaryKeyConstraint("integration_id", "generation", "minute"),
    CheckConstraint(
        "failed = network + server + throttled + client + other AND failed <= attempts",
        name="failed",
    ),
    # A minute's row is written again and again while the minute lasts; leave room for it.
    postgresql_with={"fillfactor": 70},
)
# Who fails at all: the review starts from these few, whatever the others have counted.
Index(
    "ix_health_minutes_failed",
    health_minutes.c.integration_id,
    health_minutes.c.generation,
    health_minutes.c.minute,
    postgresql_where=health_minutes.c.failed > 0,
    postgresql_include=["failed", "network", "server", "throttled"],
)
# Everybody's last hour, and what has left the window.
Index("ix_health_minutes_minute", health_minutes.c.minute)

outages = Table(
    "outages",
    metadata,
    # When a region of PagerDuty was down for most of us: what fails then is nobody's fault (spec 6).
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("region", Text, nullable=False),
    _time("began_at", nullable=False),
    # When a review found it going on last: one that nobody watched does not go on for ever.
    _time("seen_at", nullable=False),
    _time("ended_at"),
)
# One at a time goes on in a region.
Index(
    "ix_outages_going_on",
    outages.c.region,
    unique=True,
    postgresql_where=outages.c.ended_at.is_(None),
)

small_outages = Table(
    "small_outages",
    metadata,
    # Since when all of the few that were attempted in a region fail: see domain.outage.SmallOutage.
    Column("region", Text, primary_key=True),
    _time("began_at", nullable=False),
    _time("seen_at", nullable=False),
)

switch_offs = Table(
    "switch_offs",
    metadata,
    # An automatic disabling, with what it was judged by: see services.explain.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("integration_id", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    _time("at", nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("evidence", JSONB, nullable=False),
)
Index("ix_switch_offs_integration_id_at", switch_offs.c.integration_id, switch_offs.c.at)

pace = Table(
    "pace",
    metadata,
    # A key's turns within the window: see domain.pacing.Turns.
    Column("key_fingerprint", LargeBinary, primary_key=True),
    Column("turns", JSONB, nullable=False),
    _time("touched_at", nullable=False),
)

counts = Table(
    "counts",
    metadata,
    # The ledger's counters, spread over shards so that workers do not queue for one row.
    Column("kind", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "shard"),
)

upkeep_runs = Table(
    "upkeep_runs",
    metadata,
    # When each of beat's tasks last began, by the database's clock; under ``clock`` the latest that SWEEP
    # has seen of that clock.
    Column("name", Text, primary_key=True),
    _time("began_at", nullable=False),
    # The transaction that noted it: rows that an earlier one wrote are from before. Only of ``clock``.
    Column("transaction_id", BigInteger),
)

clock_jumps = Table(
    "clock_jumps",
    metadata,
    # Times that the database's clock was set back: open rows wait by the clock from before, till SWEEP has
    # moved their times by as much.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # By the clock afterwards.
    _now("noticed_at"),
    Column("back", Interval, nullable=False),
    # Rows that transactions before this one wrote are from before the jump.
    Column("written_before", BigInteger, nullable=False),
    # The transaction that noticed it: what later ones write is by the clock afterwards.
    Column("noticed_in", BigInteger, nullable=False),
    # Null while rows wait by the clock from before.
    _time("mended_at"),
)

installation = Table(
    "installation",
    metadata,
    # One row: the secret of the key fingerprints, encrypted like the keys.
    Column("one", Boolean, primary_key=True, server_default=true()),
    Column("fingerprint_token", LargeBinary, nullable=False),
    CheckConstraint("one", name="one"),
)

compatibility = Table(
    "compatibility",
    metadata,
    # One row: the oldest program that this schema serves, by the newest revision that program knows.
    Column("one", Boolean, primary_key=True, server_default=true()),
    Column("serves_from", Text, nullable=False),
    CheckConstraint("one", name="one"),
)

triggers = Table(
    "triggers",
    metadata,
    # A client's rule over events: see domain.triggers.trigger.Trigger. Its row is the lock of its counting.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("client_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("condition", Text, nullable=False),
    # A list of {id, operator, values}.
    Column("filters", JSONB, nullable=False),
    # More than so many in so many seconds; null where each event fires.
    Column("threshold_count", BigInteger),
    Column("threshold_period", Integer),
    Column("integration_ids", ARRAY(BigInteger), nullable=False),
    # Numbers what its cells belong to: another one with other criteria, and with enabling.
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_by", Text, nullable=False),
    _now("created_at"),
    # The row goes when its rogue endpoints have gone: see PRUNE.
    _time("deleted_at"),
    CheckConstraint("(threshold_count IS NULL) = (threshold_period IS NULL)", name="threshold"),
)
Index(
    "ix_triggers_client_id",
    triggers.c.client_id,
    postgresql_where=triggers.c.deleted_at.is_(None),
)
Index(
    "ix_triggers_deleted_at",
    triggers.c.deleted_at,
    postgresql_where=triggers.c.deleted_at.is_not(None),
)

trigger_cells = Table(
    "trigger_cells",
    metadata,
    # What a trigger counted in one cell of event time: see domain.triggers.cells.
    Column("trigger_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("cell", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    # Whether the window that ends here made it fire: it is quiet to both sides.
    Column("fired", Boolean, nullable=False),
    # The first 100 events counted here: a firing names those of its window.
    Column("event_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    # From then on nothing is judged by it.
    _time("expires_at", nullable=False),
    PrimaryKeyConstraint("trigger_id", "version", "cell"),
    # A cell's row is written again and again while the cell lasts; leave room for it.
    postgresql_with={"fillfactor": 50},
)
Index(
    "ix_trigger_cells_fired",
    trigger_cells.c.trigger_id,
    trigger_cells.c.version,
    trigger_cells.c.cell,
    postgresql_where=trigger_cells.c.fired,
)
Index("ix_trigger_cells_expires_at", trigger_cells.c.expires_at)

trigger_things = Table(
    "trigger_things",
    metadata,
    # Rogue endpoints that a trigger has fired for, by a hash of method, host, path and kind: each
    # once, however often it is found (spec 3). Kept as long as the trigger.
    Column("trigger_id", BigInteger, nullable=False),
    Column("thing", LargeBinary, nullable=False),
    PrimaryKeyConstraint("trigger_id", "thing"),
)

firings = Table(
    "firings",
    metadata,
    # A trigger that was met, with its lineage: see domain.triggers.trigger.Firing. It goes with its event.
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("trigger_id", BigInteger, nullable=False),
    Column("client_id", BigInteger, nullable=False),
    # The event that met it.
    Column("event_id", UUID(as_uuid=True), nullable=False),
    _time("fired_at", nullable=False),
    # The trigger as it was then: its alert says the same at every attempt.
    Column("trigger_name", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("filters", JSONB, nullable=False),
    Column("threshold_count", BigInteger),
    Column("threshold_period", Integer),
    Column("integration_ids", ARRAY(BigInteger), nullable=False),
    Column("count", BigInteger, nullable=False),
    _time("window_start"),
    _time("window_end"),
    Column("event_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    UniqueConstraint("event_id", "trigger_id"),
)
Index("ix_firings_trigger_id_fired_at", firings.c.trigger_id, firings.c.fired_at)
