"""Tables of delivery: the outbox of notifications, and the attempts to send them (spec 5)."""

import sqlalchemy as sa

from wallarm_notify.store.tables.columns import (
    metadata,
    moment,
    moment_of_insert,
    numbered_id,
    uuid,
)

# One event, or one firing, for one integration.
notifications = sa.Table(
    "notifications",
    metadata,
    numbered_id(),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # The event that it reports, or that made its firing. With origin and integration it is the idempotency key.
    uuid("event_id", nullable=False),
    # The firing that it reports; null where it reports the event itself.
    uuid("firing_id"),
    # Why it was made: ``card``, for the integration's own subscriptions, or ``trigger:`` and the trigger's id.
    sa.Column("origin", sa.Text, nullable=False),
    # Its rank, by which those that wait for the rate limit are sent (domain.event.Severity).
    sa.Column("severity", sa.SmallInteger, nullable=False),
    # It reports the disabling or deletion of its own integration: its attempts stop after the first cycle.
    sa.Column("closing", sa.Boolean, nullable=False, server_default=sa.false()),
    moment_of_insert("created_at"),
    # From here to ``link``: what changes. See domain.notification.Notification.
    sa.Column("state", sa.Text, nullable=False),
    # Counts replays, from 1.
    sa.Column("run", sa.Integer, nullable=False, server_default=sa.text("1")),
    # Of this run.
    sa.Column("attempts_made", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The fencing token: grows with every claim. A failure recorded under an older one changes nothing (engine 8).
    sa.Column("fence", sa.Integer, nullable=False, server_default=sa.text("0")),
    # Claims since the last record: their workers died or stalled.
    sa.Column("lost_claims", sa.Integer, nullable=False, server_default=sa.text("0")),
    # How often SWEEP has published it since it was claimed or recorded last; 10 stands for more.
    sa.Column("rechecks", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The integration's count of disablings when this was made: once that has grown, this is cancelled.
    sa.Column("disablings", sa.Integer, nullable=False),
    # It is not sent before.
    moment("due_at", nullable=False),
    # The lease: until when a worker has it.
    moment("lease_until"),
    # When SWEEP looks whether it was forgotten; null once it has ended (engine 6).
    moment("recheck_at"),
    # Null while it is open.
    moment("finished_at"),
    # Why it ended, where no attempt says so.
    sa.Column("end_reason", sa.Text),
    # The number of the message that carries it now: an older message carries it no further.
    sa.Column("link", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.UniqueConstraint("event_id", "origin", "integration_id"),
    sa.CheckConstraint(
        "state IN ('pending', 'retrying', 'delivered', 'failed', 'cancelled', 'skipped')",
        name="state",
    ),
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
    sa.Index(
        "ix_notifications_finished_at",
        "finished_at",
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    ),
    sa.Index("ix_notifications_client_id_id", "client_id", "id"),
    # An insert and a change touch few indexes: leave room in the page, so that they need touch none.
    postgresql_with={"fillfactor": 80},
)

# One HTTP request. Its identity is the claim under which it was made.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("notification_id", sa.BigInteger, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # The clean failure window in which it counts; null where it is outside of the ratio (spec 1).
    sa.Column("generation", sa.Integer),
    sa.Column("run", sa.Integer, nullable=False),
    # Counts the attempts of the run, from 1.
    sa.Column("number", sa.Integer, nullable=False),
    # When it began.
    moment("at", nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    # The HTTP status; null where no response came.
    sa.Column("status_code", sa.Integer),
    # Why it failed (domain.outcome.FailureReason); null where it did not.
    sa.Column("error", sa.Text),
    # The beginning of the response's body, or what came in its place, for people.
    sa.Column("response", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("notification_id", "fence"),
    # What one integration's window held, as `integrations explain` shows it.
    sa.Index("ix_attempts_integration_id_at", "integration_id", "at"),
    # A time range of all integrations, as `policy simulate` reads it.
    sa.Index("ix_attempts_at", "at"),
)
