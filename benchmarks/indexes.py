"""What each index of events, notifications and attempts takes of an event that is delivered at once.

    python -m benchmarks.indexes [--events 50000] [--json]

Events are taken in, claimed and recorded by this process in batches of 100, into an empty database. What is told is the
bytes on disk of each index for an event, without vacuuming it anew: what was split stays split. Partial indexes hold an
event only while it is under way, and keep the room. In time ``benchmarks.growth --parts indexes`` tells what those cost
that nothing but listings reads.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.compare import INTEGRATIONS
from benchmarks.ours import event
from benchmarks.sizes import ACCEPTED, BATCH, Nobody, played
from benchmarks.stack import BenchmarkStack, benchmark_stack, say
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.event import Event
from wallarm_notify.schemas.read import read_event

OF_LISTINGS: Final = (
    "ix_events_client_id_no",
    "ix_notifications_client_id_id",
    "ix_notifications_undelivered",
    "ix_notifications_integration_id_id",
    "ix_notifications_dedup_start",
)
"""The indexes that nothing but listings reads."""

TABLES: Final = ("events", "notifications", "attempts")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    logging.disable()
    try:
        result = _measured(options.events)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def table(result: Mapping[str, float]) -> list[str]:
    """Return the sizes as a table in Markdown."""
    lines = ["| | bytes an event | only for listings |", "| --- | --- | --- |"]
    for name, size in result.items():
        lines.append(f"| {name} | {size:,.0f} | {'yes' if name in OF_LISTINGS else ''} |")
    return lines


def _measured(events: int) -> dict[str, float]:
    with benchmark_stack(rate_limit_per_minute=0) as stack:
        stack.make_integrations(INTEGRATIONS)
        _play(stack, events)
        names = stack.text(
            f"SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename IN {TABLES!r}"  # noqa: S608 - ours
        )
        return {
            name: stack.number(f"SELECT pg_relation_size('{name}')") / events
            for name in names.split()
        }


def _play(stack: BenchmarkStack, events: int) -> None:
    ctx = replace(stack.wiring.context, publisher=Nobody())
    for first in range(0, events, BATCH):
        objects = (event(n, n % INTEGRATIONS + 1) for n in range(first, first + BATCH))
        played(ctx, [e for o in objects if isinstance(e := read_event(o), Event)], [ACCEPTED])


if __name__ == "__main__":
    sys.exit(main())
