"""Tables of delivery: the outbox of notifications, and the attempts to send them (spec 5)."""

from typing import Final

import sqlalchemy as sa

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import FailureReason
from wallarm_notify.store.table_columns import HOUR
from wallarm_notify.store.tables.columns import (
    VACUUMED_SOON,
    metadata,
    moment,
    moment_of_insert,
    numbered_id,
    one_of,
)

notification_state: Final = one_of("notification_state", State)
failure_reason: Final = one_of("failure_reason", FailureReason)

# One event, or one firing, for one integration. Columns of 8 bytes stand first: PostgreSQL fills up what is not
# aligned.
notifications = sa.Table(
    "notifications",
    metadata,
    numbered_id(),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # The event that it reports, or that made its firing. With trigger and integration it is the idempotency key.
    sa.Column("event_no", sa.BigInteger, nullable=False),
    # The trigger whose firing it reports; 0: it reports the event itself, for the integration's own subscriptions.
    sa.Column("trigger_id", sa.BigInteger, nullable=False),
    # The first 8 bytes of its dedup key, by which it is found; the whole is made anew and compared.
    sa.Column("dedup_start", sa.BigInteger, nullable=False),
    moment_of_insert("created_at"),
    # It is not sent before. See domain.notification.Notification for this and for what changes otherwise.
    moment("due_at", nullable=False),
    # The lease: until when a worker has it.
    moment("lease_until"),
    # When SWEEP looks whether it was forgotten; null once it has ended (engine 6).
    moment("recheck_at"),
    # Null while it is open.
    moment("finished_at"),
    # Counts replays, from 1.
    sa.Column("run", sa.Integer, nullable=False, server_default=sa.text("1")),
    # Of this run.
    sa.Column("attempts_made", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The fencing token: grows with every claim. A failure recorded under an older one changes nothing (engine 8).
    sa.Column("fence", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The number of the message that carries it now: an older message carries it no further.
    sa.Column("link", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The integration's count of disablings when this was made: once that has grown, this is cancelled.
    sa.Column("disablings", sa.Integer, nullable=False),
    sa.Column("state", notification_state, nullable=False),
    # Claims since the last record: their workers died or stalled.
    sa.Column("lost_claims", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    # How often SWEEP has published it since it was claimed or recorded last; 10 stands for more.
    sa.Column("rechecks", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    # Its rank, by which those that wait for the rate limit are sent (domain.event.Severity).
    sa.Column("severity", sa.SmallInteger, nullable=False),
    # It reports the disabling or deletion of its own integration: its attempts stop after the first cycle.
    sa.Column("closing", sa.Boolean, nullable=False, server_default=sa.false()),
    # Why it ended, where no attempt says so.
    sa.Column("end_reason", sa.Text),
    sa.UniqueConstraint("event_no", "integration_id", "trigger_id"),
    # Who has something overdue, in which queue: SWEEP goes from one integration to the next.
    sa.Index(
        "ix_notifications_backlog",
        "integration_id",
        sa.text("(attempts_made = 0)"),
        "recheck_at",
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_notifications_open", "integration_id", postgresql_where=sa.text("finished_at IS NULL")
    ),
    sa.Index(
        "ix_notifications_ended",
        "integration_id",
        "state",
        "finished_at",
        postgresql_where=sa.text("state IN ('failed', 'skipped', 'cancelled')"),
    ),
    # Pages, newest first: of a client, and of what ended undelivered by state; of an integration. And by dedup key.
    # What is delivered at once never comes into the second: it would cost each insert.
    sa.Index("ix_notifications_client_id_id", "client_id", "id"),
    sa.Index(
        "ix_notifications_undelivered",
        "client_id",
        "state",
        "id",
        postgresql_where=sa.text("state IN ('failed', 'skipped', 'cancelled')"),
    ),
    sa.Index("ix_notifications_integration_id_id", "integration_id", "id"),
    sa.Index("ix_notifications_dedup_start", "dedup_start"),
    postgresql_with=VACUUMED_SOON,
)

# One HTTP request. Its identity is the claim under which it was made.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("notification_id", sa.BigInteger, nullable=False),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # When it began.
    moment("at", nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    # The clean failure window in which it counts; null where it is outside of the ratio (spec 1).
    sa.Column("generation", sa.Integer),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    # The fence of the attempt of this notification that was answered alike, and has the answer; 0: this one has it.
    sa.Column("same_as", sa.Integer, nullable=False, server_default=sa.text("0")),
    # Why it failed (domain.outcome.FailureReason); null where it did not.
    sa.Column("error", failure_reason),
    # Counts the attempts of the run, from 1.
    sa.Column("number", sa.SmallInteger, nullable=False),
    # The HTTP status; null where no response came.
    sa.Column("status_code", sa.SmallInteger),
    # The beginning of the response's body, or what came in its place, for people. Empty where ``same_as`` names it.
    sa.Column("response", sa.Text, nullable=False),
    # The id of the task that made it, by which Flower shows it; null where nobody watched tasks.
    sa.Column("task_id", sa.Uuid),
    sa.PrimaryKeyConstraint("notification_id", "fence"),
    # What one integration's window held. By the hour: equal entries of an index share their space.
    sa.Index("ix_attempts_integration_id_hour", "integration_id", sa.text(HOUR)),
    postgresql_with=VACUUMED_SOON,
)
