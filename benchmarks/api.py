"""The HTTP API under load: pages, events, mixed requests, and deliveries beside them.

    python -m benchmarks.api [--only pages,events,mixed,beside] [--quick] [--json]

A real ``wallarm-notify serve``, tokens made by the command line, and who asks in a process of its own. ``--quick`` is
small, for the ledger's sake; the figures mean nothing then. Figures need a machine on which nothing else runs: the load
before is printed with them.

``pages``: p50 and p99 of a page of 50 with 10,000 and with 1,000,000 notifications stored, see
``benchmarks.api_pages``. ``events``: what an event costs the server, beside ``Producer.emit``, see
``benchmarks.api_events``. ``mixed``: 200 requests a second for a minute, and ``beside``: deliveries beside 50 requests
a second, see ``benchmarks.api_mixed``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import api_events, api_mixed, api_pages
from benchmarks.stack import say
from wallarm_notify.domain.errors import NotifyError


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked: numbers stored and pages of each, calls and rounds, seconds, clients, pairs of runs."""

    stored: Sequence[int]
    pages: int
    calls: int
    rounds: int
    rabbitmq: bool
    rate: float
    seconds: float
    clients: int
    producers: int
    beside_seconds: float
    pairs: int


FULL: Final = Size(
    stored=(10_000, 1_000_000),
    pages=200,
    calls=400,
    rounds=5,
    rabbitmq=True,
    rate=200.0,
    seconds=60.0,
    clients=20,
    producers=4,
    beside_seconds=20.0,
    pairs=3,
)
QUICK: Final = Size(
    stored=(1000,),
    pages=4,
    calls=10,
    rounds=1,
    rabbitmq=False,
    rate=50.0,
    seconds=2.0,
    clients=2,
    producers=1,
    beside_seconds=4.0,
    pairs=1,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the measurements: its heading, what measures, and what makes a table of it."""

    heading: str
    measure: Callable[[Size], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], list[str]]


PARTS: Final[Mapping[str, Part]] = {
    "pages": Part(
        "Pages", lambda size: api_pages.measured(size.stored, size.pages), api_pages.table
    ),
    "events": Part(
        "Events",
        lambda size: api_events.measured(size.calls, size.rounds, rabbitmq=size.rabbitmq),
        api_events.table,
    ),
    "mixed": Part(
        "Mixed requests",
        lambda size: api_mixed.mixed(size.rate, size.seconds, size.clients, size.producers),
        api_mixed.mixed_table,
    ),
    "beside": Part(
        "Deliveries beside requests",
        lambda size: api_mixed.beside(50.0, 100.0, size.beside_seconds, size.pairs, size.clients),
        api_mixed.beside_table,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join(PARTS), help="by commas")
    parser.add_argument("--quick", action="store_true", help="a small one")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"--only: {', '.join(sorted(unknown))}: none of {', '.join(PARTS)}")
    try:
        result = measured(QUICK if options.quick else FULL, names)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(size: Size, names: Sequence[str] = tuple(PARTS)) -> dict[str, Any]:
    """Return the result of each part by its name. Raise Void."""
    return {name: PARTS[name].measure(size) for name in names}


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the results as tables in Markdown, each under a heading."""
    lines: list[str] = []
    for name, one in result.items():
        lines += [
            *([""] if lines else []),
            f"#### {PARTS[name].heading}",
            "",
            *PARTS[name].table(one),
        ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
