"""The table of computations: what was asked for, how far it has come, and what came of it."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON

from wallarm_notify.store.tables.columns import metadata, moment, moment_of_insert, numbered_id

computations = sa.Table(
    "computations",
    metadata,
    numbered_id(),
    # Null: it is of all clients.
    sa.Column("client_id", sa.BigInteger),
    # domain.computation.Kind
    sa.Column("kind", sa.Text, nullable=False),
    # Who made it, in which role, and by which way in (domain.actor).
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    # What was asked for and what came of it, as documents with their keys in order.
    sa.Column("asked", JSON, nullable=False),
    sa.Column("result", JSON),
    # How many items the result lacks, as there were too many.
    sa.Column("left_out", sa.BigInteger, nullable=False),
    # domain.replay_job.JobState
    sa.Column("state", sa.Text, nullable=False),
    # How much is done, from 0 to 1.
    sa.Column("share", sa.Double, nullable=False),
    # Which beginning it is: a worker that was taken for dead notes nothing more. And how many died of it.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("deaths", sa.Integer, nullable=False),
    # Why it failed; null: it did not.
    sa.Column("problem", sa.Text),
    moment_of_insert("created_at"),
    # When its worker noted last how far it is; null: no worker has it.
    moment("worked_at"),
    # Null while something is to be done.
    moment("ended_at"),
    sa.Column("cancelled_by", sa.Text),
    sa.Index("ix_computations_open", "id", postgresql_where=sa.text("ended_at IS NULL")),
    sa.Index("ix_computations_client", "client_id", "id"),
    sa.Index("ix_computations_ended", "ended_at"),
)
