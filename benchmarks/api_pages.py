"""How long a page takes over HTTP, and whether that stays so while what is stored grows.

Pages of 50 of a server of the API, one after the other on one connection, with so many notifications of 200 clients
stored, one in 97 of them failed. Milliseconds are from who asks, whose own time is in them. What has to look at rows
that it does not show, as there are few to find, ends after 20,000 rows or a tenth of a second (decision 20): that it
is flat is not asked of it.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.api_server import (
    NO_TOKEN_RATE,
    OPERATOR,
    ApiServer,
    Asked,
    check_served,
    serving,
)
from benchmarks.open_loop import p50_and_p99
from benchmarks.pages import CLIENTS, FAIL, LIMIT
from benchmarks.stack import BenchmarkStack, benchmark_stack, say
from benchmarks.stored import settle, store

OURS: Final = "/notify/v1"
TRIGGERS: Final = 60
CHANGES: Final = 200
"""So many triggers, and lines in the log of changes, the first client has."""

MOST_MILLISECONDS: Final = 50

DAYS_AGO: Final = datetime.now(UTC) - timedelta(days=30)

Fill = Mapping[str, object]
"""What a page is asked with: a client, an id before which it begins, an event and its client."""

Path = Callable[[Fill], str]


@dataclass(frozen=True, slots=True)
class PageAsked:
    """A page: its path with what ``Fill`` has, and whether it is asked to be flat."""

    path: Path
    is_flat: bool = True


def _at(path: str, **query: str) -> PageAsked:
    """Return a page at a path; ``{client}`` and so on stand for what ``Fill`` has."""
    pattern = path + ("?" + urlencode(query, safe="{}:") if query else "")
    return PageAsked(pattern.format_map)


def _listed(what: str, **query: str) -> PageAsked:
    """Return a page of a listing that is read from any place on."""
    return _at(f"{OURS}/{what}", limit=str(LIMIT), cursor="{before}", **query)


def _searched(what: str, **query: str) -> PageAsked:
    """Return a page for which rows are looked at that it does not show."""
    return PageAsked(_listed(what, **query).path, is_flat=False)


_DAY: Final = {
    "since": f"{DAYS_AGO:%Y-%m-%dT00:00:00Z}",
    "until": f"{DAYS_AGO + timedelta(days=1):%Y-%m-%dT00:00:00Z}",
}

PAGES: Final[Mapping[str, PageAsked]] = {
    "all notifications": _listed("notifications"),
    "a client's": _listed("notifications", client_id="{client}"),
    "a client's that failed": _listed("notifications", client_id="{client}", state="failed"),
    "a client's that were delivered": _listed(
        "notifications", client_id="{client}", state="delivered"
    ),
    "a client's that were cancelled (none)": _listed(
        "notifications", client_id="{client}", state="cancelled"
    ),
    "an integration's": _listed("notifications", integration_id="{client}"),
    "an integration's that failed": _listed(
        "notifications", integration_id="{client}", state="failed"
    ),
    "all that failed": _listed("notifications", state="failed"),
    "all that are open (none)": _listed("notifications", state="pending"),
    "what an event made": _at(f"{OURS}/notifications", limit=str(LIMIT), event_id="{event}"),
    "a client's of a day": _at(
        f"{OURS}/notifications", limit=str(LIMIT), client_id="{client}", **_DAY
    ),
    "one notification": _at(f"{OURS}/notifications/{{before}}"),
    "all that were cancelled (none)": _searched("notifications", state="cancelled"),
    "a client's of a type (none)": _searched(
        "notifications", client_id="{client}", type="user.created"
    ),
    "a client's that were refused (none)": _searched(
        "notifications", client_id="{client}", code="4xx"
    ),
    "a client's events": _listed("events", client_id="{client}"),
    "an event, by its id": _at(f"{OURS}/events", client_id="{owner}", find="{event}"),
    "an event and why": _at(f"{OURS}/events/{{event}}", client_id="{owner}"),
    "a client's events about a host (none)": _searched(
        "events", client_id="{client}", find="no.example.com"
    ),
    "all events about a host (none)": _searched("events", find="no.example.com"),
    "integrations": _at(f"{OURS}/integrations", limit=str(LIMIT)),
    "one integration": _at(f"{OURS}/integrations/{{client}}"),
    "an integration's failure ratio": _at(f"{OURS}/integrations/{{client}}/failure-ratio"),
    "triggers": _at(f"{OURS}/triggers", limit=str(LIMIT)),
    "coverage": _at(f"{OURS}/coverage", client_id="1"),
    "activity": _at(f"{OURS}/activity", limit=str(LIMIT)),
    "ledger": _at(f"{OURS}/ledger"),
    "the original's integrations": _at("/v2/integration", clientid="{client}"),
    "the original's triggers": _at("/v2/clients/1/triggers"),
    "the original's activity log": _at("/v1/activity_log/1/events", limit=str(LIMIT)),
}


def measured(numbers: Sequence[int], pages: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return p50 and p99 in milliseconds, by number stored and page. Raise Void."""
    result = {}
    with benchmark_stack(api_token_rate=NO_TOKEN_RATE) as stack, serving(stack) as server:
        stack.make_integrations(CLIENTS)
        token = server.token(*OPERATOR)
        _make_changes(server, token)
        there = 0
        for number in numbers:
            newest = timedelta(days=1 if number == numbers[-1] else 45)
            store(stack, number - there, newest=newest, oldest=newest + timedelta(days=44))
            stack.execute(FAIL)
            settle(stack)
            there = number
            say(f"asking for {pages} pages of each of {len(PAGES)}, {number:,} stored")
            result[str(number)] = _asked(stack, server, token, pages)
    return result


def table(result: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return the result as a table in Markdown: milliseconds by page and number stored."""
    numbers = list(result)
    last = result[numbers[-1]]
    slow = [
        name
        for name, page in PAGES.items()
        if page.is_flat and last[name]["p99"] > MOST_MILLISECONDS
    ]
    lines = [
        f"| page of {LIMIT} | {' | '.join(f'{int(n):,} stored, p50 / p99 in ms' for n in numbers)} | asked |",
        f"| --- | {' | '.join('---' for _ in numbers)} | --- |",
    ]
    for name, page in PAGES.items():
        cells = [f"{result[n][name]['p50']:.1f} / {result[n][name]['p99']:.1f}" for n in numbers]
        asked = f"p99 ≤ {MOST_MILLISECONDS}" if page.is_flat else "ends after 0.1 s"
        lines.append(f"| {name} | {' | '.join(cells)} | {asked} |")
    missed = f"Missed by: {', '.join(slow)}." if slow else "Met by all of which it is asked."
    return [*lines, "", missed]


def _make_changes(server: ApiServer, token: str) -> None:
    """Give the first client triggers and a log of changes, by the API itself. Raise Void."""
    trigger = {
        "client_id": 1,
        "condition": "attacks_exceeded",
        "integration_ids": [1],
        "threshold": {"count": 30, "period": 3600},
    }
    made = [
        Asked("a trigger", f"{OURS}/triggers", token, "POST", json.dumps(trigger))
        for _ in range(TRIGGERS)
    ]
    changed = [
        Asked(
            "a change",
            f"{OURS}/integrations/1",
            token,
            "PATCH",
            json.dumps({"name": f"change {n}"}),
        )
        for n in range(CHANGES)
    ]
    check_served(server.ask([*made, *changed]))


def _asked(
    stack: BenchmarkStack, server: ApiServer, token: str, pages: int
) -> dict[str, dict[str, float]]:
    """Return p50 and p99 of each page, after a quarter more of them that do not count."""
    warm = pages // 4
    fills = _fills(stack, warm + pages)
    asked = [Asked(name, page.path(fill), token) for name, page in PAGES.items() for fill in fills]
    answers = server.ask(asked)
    check_served(answers)
    found = {}
    for number, name in enumerate(PAGES):
        first = number * len(fills) + warm
        found[name] = p50_and_p99(
            [one.milliseconds / 1000 for one in answers[first : first + pages]]
        )
    return found


def _fills(stack: BenchmarkStack, number: int) -> list[dict[str, Any]]:
    """Return what so many pages are asked with: random clients and places, the same every time."""
    newest = stack.number("SELECT max(id) FROM notifications")
    choose = random.Random(1)  # noqa: S311 - the same places every time
    fills = []
    for _ in range(number):
        before = choose.randrange(newest // 10, newest)
        line = stack.text(
            "SELECT e.id || ' ' || e.client_id FROM notifications n JOIN events e ON e.no = n.event_no "  # noqa: S608 - ours
            f"WHERE n.id = {before}"
        )
        event, owner = line.split()
        client = choose.randrange(1, CLIENTS - 2)
        fills.append({"client": client, "before": before, "event": event, "owner": owner})
    return fills
