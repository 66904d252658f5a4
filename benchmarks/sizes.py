"""How many bytes an event takes in the database, with all that is made of it, by table.

    python -m benchmarks.sizes [--events 30000] [--json]

Events as contender (e) sends them, taken in, claimed and recorded by this process in batches of 100: some that nobody
subscribes to, some delivered at once, a tenth as many that fail 17 times with the same answer. Each kind has a database
of its own. Sizes are of tables with their indexes, as they are at the end and after VACUUM FULL.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from benchmarks.compare import INTEGRATIONS
from benchmarks.ours import event
from benchmarks.stack import BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import Answer, Attempt, reason_of_status
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.pagerduty.response import answer_of
from wallarm_notify.schemas.read import read_event
from wallarm_notify.services.claim import claim
from wallarm_notify.services.context import Context
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.ledger import recount
from wallarm_notify.services.record import record

BATCH: Final = 100
TABLES: Final = ("events", "notifications", "attempts")

ACCEPTED: Final = answer_of(
    202,
    (),
    b'{"status":"success","message":"Event processed","dedup_key":"%s"}' % (b"0" * 64),
    IntegrationKey("0" * 32),
)
REFUSED: Final = Answer(
    400,
    reason_of_status(400),
    '{"status":"invalid event","message":"Event object is invalid","errors":["Length of \'routing_key\' is '
    'incorrect (should be 32 characters)"]}',
)

KINDS: Final[Mapping[str, tuple[int, tuple[Answer, ...], float]]] = {
    "unmatched": (INTEGRATIONS, (), 1),
    "delivered at once": (0, (ACCEPTED,), 1),
    "failed 17 times": (0, (REFUSED,) * 17, 0.1),
}
"""Of each kind: what is added to its clients' numbers, its answers, and its share of the events."""


class Nobody:
    """A publisher whose messages nobody reads: this process claims what it made."""

    def publish(self, messages: object) -> None:
        """Send nothing."""

    def request_replays(self) -> None:
        """See ``services.ports.Publisher``."""

    def enqueue(self, call: object) -> bool:
        """Take nothing."""
        del call
        return False

    def length(self, *, first: bool) -> int:
        """Return that nothing waits."""
        del first
        return 0

    def lengths(self) -> dict[str, int]:
        """Return nothing: there are no queues."""
        return {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    logging.disable()  # each that failed is an error of its own
    try:
        result = {kind: _measured(kind, options.events) for kind in KINDS}
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def table(result: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return the sizes as a table in Markdown."""
    lines = [
        "| an event | " + " | ".join(TABLES) + " | all | after VACUUM FULL |",
        "| --- " * (len(TABLES) + 3) + "|",
    ]
    for kind, sizes in result.items():
        parts = " | ".join(f"{sizes['as it is'][name]:,.0f}" for name in TABLES)
        lines.append(
            f"| {kind} | {parts} | {sum(sizes['as it is'].values()):,.0f} "
            f"| {sum(sizes['compact'].values()):,.0f} |"
        )
    return lines


def _measured(kind: str, number: int) -> dict[str, dict[str, float]]:
    beyond, answers, share = KINDS[kind]
    events = round(number * share)
    settings: dict[str, Any] = {"rate_limit_per_minute": 0, "retry_time_scale": 1e-6}
    with benchmark_stack(**settings) as stack:
        stack.make_integrations(INTEGRATIONS)
        ctx = replace(stack.wiring.context, publisher=Nobody())
        for start in range(0, events, BATCH):
            objects = [event(n, n % INTEGRATIONS + 1 + beyond) for n in range(start, start + BATCH)]
            played(ctx, [e for o in objects if isinstance(e := read_event(o), Event)], answers)
        ledger = recount(stack.wiring.context, EVERY_CLIENT)
        if ledger.findings or ledger.received != events:
            raise Void(f"{ledger.received} of {events} received; {ledger.findings}")
        sizes = {"as it is": _sizes(stack, events)}
        for name in TABLES:
            stack.execute(f"VACUUM FULL {name}")
        sizes["compact"] = _sizes(stack, events)
    return sizes


def played(ctx: Context, events: Sequence[Event], answers: Sequence[Answer]) -> None:
    """Take events in, and record these answers to the attempts of each."""
    ids = [n.id for routed in ingest(ctx, events, ()) for n in routed.pending]
    for answer in answers:
        claimed = claim(ctx, ids)
        attempts = [
            Attempt(
                notification_id=s.notification.id,
                integration_id=s.notification.integration_id,
                generation=s.generation,
                fence=s.notification.fence,
                run=s.notification.run,
                number=s.number,
                at=claimed.now,
                duration=timedelta(),
                answer=answer,
                dedup_start=start_of(s.dedup_key),
            )
            for s in claimed.sendings
        ]
        if len(attempts) != len(ids):
            raise Void(f"{len(attempts)} of {len(ids)} notifications were claimed")
        record(ctx, attempts)


def _sizes(stack: BenchmarkStack, events: int) -> dict[str, float]:
    """Return the bytes of each table with its indexes, by the event."""
    return {
        name: stack.number(f"SELECT pg_total_relation_size('{name}')") / events for name in TABLES
    }


if __name__ == "__main__":
    sys.exit(main())
