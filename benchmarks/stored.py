"""What was delivered long ago: events, notifications and attempts by the million."""

from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from benchmarks.stack import BenchmarkStack, say

SLICE: Final = 250_000
"""At most so many notifications are made by one statement."""

# In the order in which they would have come, each delivered at its first attempt. The newest is more
# than the failure window old, so that no counters of it are kept.
FILL: Final = """
    WITH one AS MATERIALIZED (
        SELECT n, gen_random_uuid() AS id, i.client_id, i.id AS integration_id,
            now() - :oldest + n * (:oldest - :newest) / :number AS at
        FROM generate_series(CAST(:start AS bigint), :stop) n
        JOIN integrations i ON i.id = n % :clients + :first
    ), event AS (
        INSERT INTO events (id, client_id, type, occurred_at, body, body_hash, fan_out, received_at)
        SELECT id, client_id, 'security_issue.detected', at,
            '{"issue_id":"' || n || '","risk":"high","title":"Vulnerable version of nginx, stored"}',
            sha256(uuid_send(id)), 1, at
        FROM one ORDER BY n
        RETURNING no, id
    ), notification AS (
        INSERT INTO notifications (client_id, integration_id, event_no, trigger_id, dedup_start, severity,
            created_at, state, attempts_made, fence, disablings, due_at, finished_at)
        SELECT client_id, integration_id, no, 0, hashint8extended(no, 0), 2, at,
            'delivered', 1, 1, 0, at, at + interval '100 ms'
        FROM one JOIN event USING (id) ORDER BY n
        RETURNING id, integration_id, created_at
    )
    INSERT INTO attempts (notification_id, fence, integration_id, generation, run, number, at, duration_ms,
        status_code, response)
    SELECT id, 1, integration_id, 0, 1, 1, created_at, 100, 202,
        '{"status":"success","message":"Event processed","dedup_key":"a benchmark"}'
    FROM notification ORDER BY id"""

COUNT: Final = """
    INSERT INTO counts (kind, shard, value)
    SELECT kind, 0, :number FROM unnest(ARRAY['received', 'matched', 'made\\:card', 'state\\:card\\:delivered']) kind
    ON CONFLICT (kind, shard) DO UPDATE SET value = counts.value + excluded.value"""


def store(
    stack: BenchmarkStack, number: int, *, newest: timedelta, oldest: timedelta, first: int = 1
) -> None:
    """Fill a stack that has integrations, evenly over the time from ``oldest`` to ``newest`` ago.

    ``first`` is the integration of the first client. The ledger balances, the tables are as autovacuum would have left
    them, and nothing is left to be written.
    """
    for start in range(0, number, SLICE):
        say(f"storing {number:,} notifications: {start:,} so far")
        stack.execute(
            FILL,
            start=start,
            stop=min(start + SLICE, number) - 1,
            number=number,
            clients=len(stack.keys),
            first=first,
            oldest=oldest,
            newest=newest,
        )
    stack.execute(COUNT, number=number)
    settle(stack)


def settle(stack: BenchmarkStack) -> None:
    """Vacuum, and write everything now that would else be written during what is measured."""
    stack.execute("VACUUM ANALYZE")
    with suppress(DBAPIError):  # whose server it is may not let us
        stack.execute("CHECKPOINT")
