"""Tables of counters by time, and of the failure ratio: outages, automatic disablings (spec 6)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from wallarm_notify.domain.notification import ENDED
from wallarm_notify.store.tables.columns import metadata, moment, numbered_id

# An integration's attempts of one minute, counted in the transaction that records them (domain.health.Counts). They are
# kept as long as the failure window.
health_minutes = sa.Table(
    "health_minutes",
    metadata,
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # The clean failure window in which the attempts count.
    sa.Column("generation", sa.Integer, nullable=False),
    # When the minute began.
    moment("minute", nullable=False),
    # All attempts; those that failed; and of these how many for which reason (domain.health.FailureClass).
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("network", sa.Integer, nullable=False),
    sa.Column("server", sa.Integer, nullable=False),
    sa.Column("throttled", sa.Integer, nullable=False),
    sa.Column("client", sa.Integer, nullable=False),
    sa.Column("other", sa.Integer, nullable=False),
    # When the first and the last began of the failures that an outage explains, and of all others; null: none.
    moment("excusable_first_at"),
    moment("excusable_last_at"),
    moment("own_first_at"),
    moment("own_last_at"),
    moment("succeeded_last_at"),
    sa.PrimaryKeyConstraint("integration_id", "generation", "minute"),
    sa.CheckConstraint(
        "failed = network + server + throttled + client + other AND failed <= attempts",
        name="failed",
    ),
    # Minutes with failures: the review starts from these few, however many others there are.
    sa.Index(
        "ix_health_minutes_failed",
        "integration_id",
        "generation",
        "minute",
        postgresql_where=sa.text("failed > 0"),
        postgresql_include=["failed", "network", "server", "throttled"],
    ),
    # All integrations' last hour, and what has left the window.
    sa.Index("ix_health_minutes_minute", "minute"),
    # A row is written many times during its minute: leave room in the page for it.
    postgresql_with={"fillfactor": 70},
)

# How many notifications of an integration ended in an hour, by the state that they ended in. One that is replayed ends
# again. They are kept for a week.
ended_by_hour = sa.Table(
    "ended_by_hour",
    metadata,
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # When the hour began.
    moment("hour", nullable=False),
    *(sa.Column(state, sa.Integer, nullable=False) for state in ENDED),
    sa.PrimaryKeyConstraint("integration_id", "hour"),
    sa.Index("ix_ended_by_hour_hour", "hour"),
    # A row is written many times during its hour: leave room in the page for it.
    postgresql_with={"fillfactor": 70},
)

# When a region of PagerDuty was down for most integrations: failures of that time do not count (spec 6).
outages = sa.Table(
    "outages",
    metadata,
    numbered_id(),
    sa.Column("region", sa.Text, nullable=False),
    moment("began_at", nullable=False),
    # When a review saw it last: without one, an outage must not go on for ever.
    moment("seen_at", nullable=False),
    # Null while it goes on.
    moment("ended_at"),
    # A region has one at a time.
    sa.Index(
        "ix_outages_going_on", "region", unique=True, postgresql_where=sa.text("ended_at IS NULL")
    ),
)

# Since when all of the few integrations that were tried in a region fail (domain.outage.SmallOutage).
small_outages = sa.Table(
    "small_outages",
    metadata,
    sa.Column("region", sa.Text, primary_key=True),
    moment("began_at", nullable=False),
    # When a review saw it last.
    moment("seen_at", nullable=False),
)

# Automatic disablings, each with what it was decided by: `integrations explain` shows it.
switch_offs = sa.Table(
    "switch_offs",
    metadata,
    numbered_id(),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # The clean failure window that it ended.
    sa.Column("generation", sa.Integer, nullable=False),
    moment("at", nullable=False),
    # The limits that held (domain.health.Policy).
    sa.Column("policy", JSONB, nullable=False),
    # The counters and times that were compared with them.
    sa.Column("evidence", JSONB, nullable=False),
    sa.Index("ix_switch_offs_integration_id_at", "integration_id", "at"),
)
