"""How long a page of the console takes, what it weighs, and what consoles cost that are left open.

    python -m benchmarks.console [--stored 1000000] [--asked 200] [--seconds 30] [--json]

A real ``wallarm-notify serve``, asked for each page of its route table on one connection, by who has signed in to the
console. Stored are the week of ``make console``, and so many notifications of 200 clients, one in 97 of them failed.
Milliseconds are from who asks, whose own time is in them. Of pages that go on asking by themselves so many are left
open, and asked for as a browser would, for a while. Figures need a machine on which nothing else runs.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, Final

import requests

from benchmarks.api_server import NO_TOKEN_RATE, ApiServer, Asked, check_served, serving
from benchmarks.open_loop import p50_and_p99
from benchmarks.pages import CLIENTS, FAIL
from benchmarks.stack import BenchmarkStack, Void, benchmark_stack, say
from benchmarks.stored import settle, store
from pictures.pages import Page, pages_of
from wallarm_notify.devstack.week import OPERATOR, play_week
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.manage_users import list_users
from wallarm_notify.services.sessions import make_sign_in_link

OPEN: Final = 10
"""So many consoles are left open."""

MOST_P50: Final = 50
MOST_P99: Final = 150
MOST_BYTES: Final = 60_000
MOST_ASSETS: Final = 140_000
MOST_CPU: Final = 5.0
"""Per cent of one core, for all consoles that are open."""

_SECONDS: Final = 30
_ASSET: Final = re.compile(r'(?:src|href)="(/assets/[^"#]+)')
_POLL: Final = re.compile(r'hx-get="([^"]+)"[^>]*?hx-trigger="every (\d+)s"')


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked: notifications stored, requests for each page, and seconds with consoles open."""

    stored: int
    asked: int
    seconds: int


FULL: Final = Size(1_000_000, 200, 30)
QUICK: Final = Size(1000, 4, 5)


class Visitor:
    """Somebody who has signed in, and what a browser would have loaded."""

    def __init__(self, stack: BenchmarkStack, server: ApiServer, email: str) -> None:
        self._url = server.url
        self._session = requests.Session()
        context = stack.wiring.context
        link = make_sign_in_link(context, operator("a benchmark"), EVERY_CLIENT, email)
        done = self._session.post(
            f"{server.url}/sign-in/{link.reveal()}",
            data={"nothing": ""},
            headers={"Sec-Fetch-Site": "same-origin"},
            allow_redirects=False,
            timeout=_SECONDS,
        )
        if "Set-Cookie" not in done.headers:
            raise Void(f"{email} was not signed in: {done.status_code}")
        self.cookie = "; ".join(f"{one.name}={one.value}" for one in self._session.cookies)

    def load(self, path: str) -> tuple[int, int, str]:
        """Return the status of a page, how many bytes came over the wire, and its text."""
        answer = self._session.get(
            self._url + path, allow_redirects=False, stream=True, timeout=_SECONDS
        )
        raw = answer.raw.read(decode_content=False)
        is_plain = "Content-Encoding" not in answer.headers
        return answer.status_code, len(raw), raw.decode("utf-8", "replace") if is_plain else ""


def measured(size: Size) -> dict[str, Any]:
    """Return the figures of each page, of the assets, and of consoles that are open. Raise Void."""
    with (
        benchmark_stack(api_token_rate=NO_TOKEN_RATE) as stack,
        serving(stack) as server,
    ):
        url = stack.settings.database()
        play_week(url, stack.settings, datetime.now(UTC))
        first = stack.number("SELECT max(id) + 1 FROM integrations")
        stack.make_integrations(CLIENTS)
        day = timedelta(days=1)
        store(stack, size.stored, newest=day, oldest=45 * day, first=first)
        stack.execute(FAIL)
        settle(stack)
        people = Visitors(stack, server)
        pages = [page for page in pages_of(url, "calm") if page.is_known]
        weights, assets = _weighed(people, pages)
        say(f"asking {size.asked} times for each of {len(weights)} pages, {size.stored:,} stored")
        times = _asked(people, server, [p for p in pages if p.name in weights], size.asked)
        return {
            "stored": size.stored,
            "pages": {name: {**times[name], "bytes": weights[name]} for name in weights},
            "assets": assets,
            "open": _left_open(people, server, list(pages_of(url, "trouble")), size.seconds),
        }


class Visitors:
    """Who opens the pages: an operator, and of clients the first of their people; each signs in once."""

    def __init__(self, stack: BenchmarkStack, server: ApiServer) -> None:
        self._stack = stack
        self._server = server
        self._known: dict[int | None, Visitor] = {}

    def of(self, page: Page) -> Visitor:
        """Return who opens a page."""
        if page.client_id not in self._known:
            email = OPERATOR
            if page.client_id is not None:
                context = self._stack.wiring.context
                found = list_users(context, EVERY_CLIENT, client_id=page.client_id, limit=1)
                email = found.items[0].email
            self._known[page.client_id] = Visitor(self._stack, self._server, email)
        return self._known[page.client_id]


def polls_in(text: str) -> list[tuple[str, int]]:
    """Return what a page asks for by itself, and each how many seconds."""
    return [(unescape(path), int(seconds)) for path, seconds in _POLL.findall(text)]


def _weighed(people: Visitors, pages: Sequence[Page]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the bytes of each page that is shown, and of each asset that they load.

    One that leads elsewhere is none. Raise Void where one cannot be shown.
    """
    weights: dict[str, int] = {}
    assets: dict[str, int] = {}
    for page in pages:
        status, size, text = people.of(page).load(page.path)
        if 300 <= status < 400:  # noqa: PLR2004 - what HTTP calls elsewhere
            continue
        if status != requests.codes.ok:
            raise Void(f"{page.path}: {status}")
        weights[page.name] = size
        for path in _ASSET.findall(text):
            if path not in assets:
                assets[path] = people.of(page).load(path)[1]
    return weights, assets


def _asked(
    people: Visitors, server: ApiServer, pages: Sequence[Page], number: int
) -> dict[str, dict[str, float]]:
    """Return p50 and p99 of each page, after a quarter more requests that do not count."""
    warm = number // 4
    asked = [
        Asked(page.name, page.path, "", cookie=people.of(page).cookie)
        for page in pages
        for _ in range(warm + number)
    ]
    answers = server.ask(asked)
    check_served(answers)
    return {
        page.name: p50_and_p99(
            [one.milliseconds / 1000 for one in answers if one.kind == page.name][warm:]
        )
        for page in pages
    }


def _left_open(
    people: Visitors, server: ApiServer, pages: Sequence[Page], seconds: int
) -> dict[str, float]:
    """Return what per cent of a core the server uses while consoles are open, by the page that is open."""
    found = {}
    for page in pages:
        if not page.is_known or not (polls := polls_in(people.of(page).load(page.path)[2])):
            continue
        cookie = people.of(page).cookie
        asked = [
            Asked(page.name, path, "", at=at, cookie=cookie)
            for path, every in polls
            for at in _times(every, seconds)
        ]
        asked.sort(key=lambda one: one.at or 0.0)
        before, began = server.cpu(), time.monotonic()
        check_served(server.ask(asked, threads=OPEN))
        found[page.name] = 100 * (server.cpu() - before) / (time.monotonic() - began)
    return found


def _times(every: int, seconds: int) -> Iterator[float]:
    """Yield when consoles ask that were opened one after the other: not all at once."""
    for console in range(OPEN):
        at = every * console / OPEN
        while at < seconds:
            yield at
            at += every


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as tables in Markdown, and what missed what is asked."""
    lines = [
        f"| page, {result['stored']:,} notifications stored | p50 / p99 in ms | kB |",
        "| --- | --- | --- |",
    ]
    for name, one in result["pages"].items():
        lines.append(
            f"| {name} | {one['p50']:.1f} / {one['p99']:.1f} | {one['bytes'] / 1000:.1f} |"
        )
    assets = sum(result["assets"].values())
    lines += ["", f"All assets, once: {assets / 1000:.0f} kB.", ""]
    if result["open"]:
        lines += [
            f"| {OPEN} consoles open at | the server's share of one core |",
            "| --- | --- |",
            *(f"| {name} | {share:.1f} % |" for name, share in result["open"].items()),
            "",
        ]
    missed = list(_missed(result, assets))
    asked = (
        f"Asked: p50 ≤ {MOST_P50} ms, p99 ≤ {MOST_P99} ms, a page ≤ {MOST_BYTES // 1000} kB, assets ≤ "
        f"{MOST_ASSETS // 1000} kB, open consoles ≤ {MOST_CPU:g} % of one core."
    )
    result_of_all = f"Missed by: {', '.join(missed)}." if missed else "Met by all."
    return [*lines, f"{asked} {result_of_all}"]


def _missed(result: Mapping[str, Any], assets: int) -> Iterator[str]:
    for name, one in result["pages"].items():
        if one["p50"] > MOST_P50 or one["p99"] > MOST_P99 or one["bytes"] > MOST_BYTES:
            yield name
    if assets > MOST_ASSETS:
        yield "assets"
    yield from (f"open {name}" for name, share in result["open"].items() if share > MOST_CPU)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stored", type=int, default=FULL.stored, help="notifications")
    parser.add_argument("--asked", type=int, default=FULL.asked, help="times for each page")
    parser.add_argument("--seconds", type=int, default=FULL.seconds, help="with consoles open")
    parser.add_argument(
        "--quick", action="store_true", help="a small one; its figures mean nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else Size(options.stored, options.asked, options.seconds)
    try:
        result = measured(size)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
