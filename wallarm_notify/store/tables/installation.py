"""Tables of the installation itself: the ledger's counters, its scheduled tasks, its clock, its secret, its version."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wallarm_notify.store.tables.columns import metadata, moment, moment_of_insert, numbered_id

# The ledger's counters. Each is the sum of several shards, so that workers do not queue for one row.
counts = sa.Table(
    "counts",
    metadata,
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("shard", sa.SmallInteger, nullable=False),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("kind", "shard"),
)

# When each of beat's tasks last began. Under ``clock``: the latest moment that SWEEP has seen of the database's clock.
upkeep_runs = sa.Table(
    "upkeep_runs",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    moment("began_at", nullable=False),
    # The transaction that noted the time: what earlier ones wrote is from before it. Only under ``clock``.
    sa.Column("transaction_id", sa.BigInteger),
    # The id that the last run ended with; the next one goes on behind it. Only of tasks that go round.
    sa.Column("reached", sa.BigInteger),
)

# When a process of each node was seen last, and from which queues the node takes; kept for a day after that.
heartbeats = sa.Table(
    "heartbeats",
    metadata,
    # As Celery calls it: first@host.
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("queues", ARRAY(sa.Text), nullable=False),
    # Since when there is no longer gap between two heartbeats.
    moment("began_at", nullable=False),
    moment("seen_at", nullable=False),
    # How much its clock was ahead of this server's then. Null: written by a program that did not note it.
    sa.Column("ahead", sa.Interval),
)

# How many messages waited in each queue of the broker when SWEEP looked last.
queue_lengths = sa.Table(
    "queue_lengths",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("messages", sa.BigInteger, nullable=False),
    # When it was last seen empty, or was looked at first: what waits came or was handed back later. Null: it is empty.
    moment("waiting_since"),
    moment("measured_at", nullable=False),
)

# The check of the ledger's counters against rows, a slice in each run of PRUNE. One row.
ledger_check = sa.Table(
    "ledger_check",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    # The pass goes on after the event of this number; null between two passes.
    sa.Column("after_no", sa.BigInteger),
    # The last event when the pass began, with which it ends.
    sa.Column("last_no", sa.BigInteger),
    moment("began_at", nullable=False),
    # How much the pass has found wrong so far, by kind.
    sa.Column("finding", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    # When the last whole pass ended, and what it found.
    moment("checked_at"),
    sa.Column("found", JSONB),
    sa.CheckConstraint("one", name="one"),
)

# How far PRUNE's pass over the events has come, of each kind of pass (store.retention).
prune_marks = sa.Table(
    "prune_marks",
    metadata,
    # ``events`` or ``unmatched``.
    sa.Column("kind", sa.Text, primary_key=True),
    # It goes on after the event of this number.
    sa.Column("after_no", sa.BigInteger, nullable=False),
    # The furthest that any pass has come.
    sa.Column("reached_no", sa.BigInteger, nullable=False),
    moment("began_at", nullable=False),
)

# Times that the database's clock was set back. Open rows wait by the clock from before, until SWEEP has moved their
# times by as much.
clock_jumps = sa.Table(
    "clock_jumps",
    metadata,
    numbered_id(),
    # By the clock afterwards.
    moment_of_insert("noticed_at"),
    # How far it was set back.
    sa.Column("back", sa.Interval, nullable=False),
    # What transactions before this one wrote is from before the jump.
    sa.Column("written_before", sa.BigInteger, nullable=False),
    # The transaction that noticed it: what later ones write is by the clock afterwards.
    sa.Column("noticed_in", sa.BigInteger, nullable=False),
    # Null while rows wait by the clock from before.
    moment("mended_at"),
)

# One row: the secret of the key fingerprints, encrypted as the keys are.
installation = sa.Table(
    "installation",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("fingerprint_token", sa.LargeBinary, nullable=False),
    # How long events are kept that nothing was made of. Null, as long as the others: it was installed before there
    # was a difference.
    sa.Column("unmatched_retention", sa.Interval, server_default=sa.text("'7 days'::interval")),
    sa.CheckConstraint("one", name="one"),
)

# One row: the oldest program that this schema serves, by the newest revision that program knows (docs/decisions/0012).
compatibility = sa.Table(
    "compatibility",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("serves_from", sa.Text, nullable=False),
    sa.CheckConstraint("one", name="one"),
)
