"""The table of replay jobs: who replays what, and how far it has come."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from wallarm_notify.store.tables.columns import metadata, moment, moment_of_insert, numbered_id

replay_jobs = sa.Table(
    "replay_jobs",
    metadata,
    numbered_id(),
    sa.Column("client_id", sa.BigInteger, nullable=False),
    sa.Column("integration_id", sa.BigInteger, nullable=False),
    # Who made it, in which role, and by which way in (domain.actor).
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("user_id", sa.BigInteger),
    # What is replayed (domain.views.Wanted).
    sa.Column("states", ARRAY(sa.Text), nullable=False),
    sa.Column("severities", ARRAY(sa.Integer), nullable=False),
    moment("since"),
    moment("ended_since"),
    sa.Column("event_type", sa.Text),
    # How many that were when it was made, the last of them, the first few, and how long they take at least.
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("sample", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("takes_at_least", sa.Interval, nullable=False),
    # domain.replay_job.JobState
    sa.Column("state", sa.Text, nullable=False),
    # It goes on above this notification; written in the transaction that replays a slice.
    sa.Column("reached", sa.BigInteger, nullable=False),
    sa.Column("replayed", sa.BigInteger, nullable=False),
    # Why it failed; null: it did not.
    sa.Column("problem", sa.Text),
    moment_of_insert("created_at"),
    # When its last slice was done; null: none was.
    moment("worked_at"),
    # Null while something is to be done.
    moment("ended_at"),
    sa.Column("cancelled_by", sa.Text),
    # An integration has one at a time.
    sa.Index(
        "ix_replay_jobs_open",
        "integration_id",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)
