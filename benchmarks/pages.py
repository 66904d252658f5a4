"""How long a page of each listing takes, and whether that stays so while what is stored grows.

    python -m benchmarks.pages [--stored 1000000] [--pages 25] [--json]

Pages of 50 are read at random places: first with a tenth of --stored notifications of 200 clients, then with all of
them. One in 97 has failed. Each figure is a median in milliseconds, through the use case, on a warm database.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from benchmarks.stack import BenchmarkStack, benchmark_stack, say
from benchmarks.stored import settle, store
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import Statuses
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.views import EventFilter, Filter
from wallarm_notify.services.context import Context
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.integration_listings import list_integrations
from wallarm_notify.services.ledger import balance
from wallarm_notify.services.listings import list_notifications, show_notification

CLIENTS: Final = 200
"""Each has one integration, of the same number."""

LIMIT: Final = 50

DAYS_AGO: Final = datetime.now(UTC) - timedelta(days=30)

FAIL: Final = """
    UPDATE notifications SET state = 'failed' WHERE id % 97 = 0 AND state = 'delivered'"""

Ask = Callable[[Context, int, int], object]
"""Reads a page: of the client and integration of this number, under this id."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where the database failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stored", type=int, default=1_000_000, help="notifications")
    parser.add_argument("--pages", type=int, default=25, help="read of each listing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        result = _measured([options.stored // 10, options.stored], options.pages)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def table(result: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the result as a table in Markdown: milliseconds by listing and number stored."""
    numbers = list(result)
    lines = [
        f"| page of | {' | '.join(f'{int(n):,} stored, ms' for n in numbers)} |",
        f"| --- | {' | '.join('---' for _ in numbers)} |",
    ]
    return lines + [
        f"| {name} | {' | '.join(f'{result[n][name]:.1f}' for n in numbers)} |" for name in PAGES
    ]


def _of(scope: Callable[[int], Scope] = lambda _: EVERY_CLIENT, **wanted: Any) -> Ask:
    """Return what reads a page of notifications; ``one`` as a value stands for the number."""

    def ask(ctx: Context, number: int, before: int) -> object:
        filled: dict[str, Any] = {n: number if v == "one" else v for n, v in wanted.items()}
        return list_notifications(ctx, scope(number), Filter(**filled), limit=LIMIT, cursor=before)

    return ask


def _events(**wanted: Any) -> Ask:
    """Return what reads a page of events; ``one`` as a value stands for the number."""

    def ask(ctx: Context, number: int, before: int) -> object:
        filled: dict[str, Any] = {n: number if v == "one" else v for n, v in wanted.items()}
        return list_events(ctx, EVERY_CLIENT, EventFilter(**filled), limit=LIMIT, cursor=before)

    return ask


PAGES: Final[Mapping[str, Ask]] = {
    "all notifications": _of(),
    "a client's": _of(client_id="one"),
    "a client's that failed": _of(client_id="one", states=(State.FAILED,)),
    "a client's that were delivered": _of(client_id="one", states=(State.DELIVERED,)),
    "a client's that were cancelled (none)": _of(client_id="one", states=(State.CANCELLED,)),
    "three clients'": _of(lambda number: only([number, number + 1, number + 2])),
    "an integration's": _of(integration_id="one"),
    "an integration's that failed": _of(integration_id="one", states=(State.FAILED,)),
    "all that failed": _of(states=(State.FAILED,)),
    "all that were cancelled (none)": _of(states=(State.CANCELLED,)),
    "all that are open (none)": _of(states=(State.PENDING,)),
    "what an event made": _of(event_id=UUID(int=1)),
    "a client's of a day": _of(
        client_id="one", made=Period(DAYS_AGO, DAYS_AGO + timedelta(days=1))
    ),
    "a client's of a type (none)": _of(client_id="one", event_type="user.created"),
    "a client's that were refused (none)": _of(client_id="one", statuses=Statuses.parse("4xx")),
    "a client's events": _events(client_id="one"),
    "a client's events about a host (none)": _events(client_id="one", sought="no.example.com"),
    "all events about a host (none)": _events(sought="no.example.com"),
    "one notification with its attempts": lambda ctx, _, n: show_notification(ctx, EVERY_CLIENT, n),
    "integrations": lambda ctx, n, _: list_integrations(ctx, EVERY_CLIENT, limit=LIMIT, cursor=n),
    "ledger": lambda ctx, _n, _before: balance(ctx, EVERY_CLIENT),
}


def _measured(numbers: Sequence[int], pages: int) -> dict[str, dict[str, float]]:
    result = {}
    with benchmark_stack() as stack:
        stack.make_integrations(CLIENTS)
        there = 0
        for number in numbers:
            newest = timedelta(days=1 if number == numbers[-1] else 45)
            store(stack, number - there, newest=newest, oldest=newest + timedelta(days=44))
            stack.execute(FAIL)
            settle(stack)
            there = number
            result[str(number)] = {name: _median(stack, ask, pages) for name, ask in PAGES.items()}
    return result


def _median(stack: BenchmarkStack, ask: Ask, pages: int) -> float:
    """Return the median of so many pages' times, in milliseconds."""
    newest = stack.number("SELECT max(id) FROM notifications")
    choose = random.Random(1)  # noqa: S311 - the same places every time
    times = []
    for turn in range(2 * pages):
        number, before = choose.randrange(1, CLIENTS - 2), choose.randrange(newest // 10, newest)
        began = time.perf_counter()
        ask(stack.wiring.context, number, before)
        if turn >= pages:
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
