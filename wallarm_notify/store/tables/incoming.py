"""Tables of what came in: events, and what could not be taken in as one (spec 2)."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.store.tables.columns import (
    VACUUMED_SOON,
    metadata,
    moment,
    moment_of_insert,
    numbered_id,
    one_of,
    uuid,
)

event_type: Final = one_of("event_type", EVENT_TYPES)

# Columns of 8 bytes stand first: PostgreSQL fills up what is not aligned.
events = sa.Table(
    "events",
    metadata,
    # Grows as events come in, so that old ones are a range of numbers. What is made of an event refers to it by this.
    sa.Column("no", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    moment("occurred_at", nullable=False),
    moment_of_insert("received_at"),
    # The id that the producer gave it. No two events of a client share one; those of two clients may.
    uuid("id", nullable=False),
    # How many notifications routing made of it. The ledger compares it with the rows that there are.
    sa.Column("fan_out", sa.Integer, nullable=False),
    # The version of its client's rules that it was routed by; 0: the client had none. Null in events from before
    # there were versions.
    sa.Column("rules_version", sa.Integer),
    sa.Column("type", event_type, nullable=False),
    # A trigger counted it, or fired for it: it is kept as long as what was notified (spec 5).
    sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.false()),
    # Distinguishes the event from another one under its id.
    sa.Column("body_hash", sa.LargeBinary, nullable=False),
    # JSON of the object as the producer sent it, unknown fields included, without what other columns say
    # (store.event_body). U+FFFD stands for what is no character.
    sa.Column("body", sa.Text, nullable=False),
    # The process that sent it, as it names itself. Null where that is not known, as for our own events.
    sa.Column("sent_by", sa.Text),
    sa.UniqueConstraint("client_id", "id"),
    sa.Index("ix_events_received_at", "received_at"),
    # Pages of a client's, newest first, and the way along which they are searched.
    sa.Index("ix_events_client_id_no", "client_id", "no"),
    postgresql_with=VACUUMED_SOON,
)

# Events whose time is ahead of the database's clock. They are kept apart until it is not; then SWEEP has them taken in,
# and only then do they count as received (spec 2).
events_ahead = sa.Table(
    "events_ahead",
    metadata,
    sa.Column("client_id", sa.BigInteger, nullable=False),
    uuid("id", nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    moment("occurred_at", nullable=False),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("body_hash", sa.LargeBinary, nullable=False),
    moment_of_insert("received_at"),
    # As events have it.
    sa.Column("sent_by", sa.Text),
    sa.PrimaryKeyConstraint("client_id", "id"),
    sa.Index("ix_events_ahead_occurred_at", "occurred_at"),
    sa.Index("ix_events_ahead_body_hash", "body_hash"),
)

# Events that were refused, each with the reason.
rejected = sa.Table(
    "rejected",
    metadata,
    numbered_id(),
    # Of the whole body: a batch that runs twice lists it once.
    sa.Column("body_hash", sa.LargeBinary, nullable=False),
    # One sentence for people.
    sa.Column("reason", sa.Text, nullable=False),
    # Canonical JSON in ASCII. Where it is cut: the first 64 kB of it in UTF-8.
    sa.Column("body_text", sa.Text, nullable=False),
    sa.Column("cut", sa.Boolean, nullable=False),
    # What could be read of it; null where that was wrong or missing.
    uuid("event_id"),
    sa.Column("client_id", sa.BigInteger),
    sa.Column("type", sa.Text),
    # The event that it became when it was resubmitted; null while it is rejected.
    uuid("resubmitted_as"),
    moment_of_insert("received_at"),
    # As events have it.
    sa.Column("sent_by", sa.Text),
    sa.UniqueConstraint("body_hash"),
    sa.Index("ix_rejected_received_at", "received_at"),
    # Pages of a client's, newest first.
    sa.Index("ix_rejected_client_id_id", "client_id", "id"),
    # What is rejected still under an event's id (store.why).
    sa.Index(
        "ix_rejected_event_id",
        "event_id",
        "id",
        postgresql_where=sa.text("event_id IS NOT NULL AND resubmitted_as IS NULL"),
    ),
)

# How many rejected events of a client were kept on a day (UTC): a flood of them must not fill the database.
rejected_by_day = sa.Table(
    "rejected_by_day",
    metadata,
    # 0 stands for no known client, -1 for messages that could not be decoded.
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("kept", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("client_id", "day"),
)

# When events of a client came on a day (UTC), and the longest time without one that ended on it. SWEEP writes it each
# minute; it is kept for a week.
feed_days = sa.Table(
    "feed_days",
    metadata,
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    moment("last_at", nullable=False),
    sa.Column("longest_gap", sa.Interval, nullable=False),
    sa.PrimaryKeyConstraint("client_id", "day"),
)

# Messages that are no JSON or no task of ours. They do not count as received (spec 2).
undecodable = sa.Table(
    "undecodable",
    metadata,
    numbered_id(),
    # One sentence for people.
    sa.Column("reason", sa.Text, nullable=False),
    # As the message's header has it.
    sa.Column("content_type", sa.Text),
    # The first 64 kB.
    sa.Column("body", sa.LargeBinary, nullable=False),
    # Bytes of the whole. Null in rows older than this column.
    sa.Column("size", sa.BigInteger),
    # When its events were taken in after all; null while it is undecodable.
    moment("resubmitted_at"),
    moment_of_insert("received_at"),
    sa.Index("ix_undecodable_received_at", "received_at"),
)

# Calls of events.ingest in quarantine: workers died with them in hand. After three deaths alone a call is set aside.
quarantine = sa.Table(
    "quarantine",
    metadata,
    numbered_id(),
    # The hash of the message's content, by which it is known when it comes again.
    sa.Column("digest", sa.LargeBinary, nullable=False),
    # How many workers died with this call alone in hand. The one that has it now counts as dead until it is done.
    sa.Column("deaths", sa.SmallInteger, nullable=False),
    moment_of_insert("noted_at"),
    # The rest is null until the call is set aside; then it holds the message, and when it is tried again.
    moment("set_aside_at"),
    moment("retry_at"),
    sa.Column("content_type", sa.Text),
    sa.Column("content_encoding", sa.Text),
    # JSON.
    sa.Column("headers", sa.Text),
    sa.Column("body", sa.LargeBinary),
    sa.UniqueConstraint("digest"),
    sa.Index(
        "ix_quarantine_retry_at", "retry_at", postgresql_where=sa.text("retry_at IS NOT NULL")
    ),
)
