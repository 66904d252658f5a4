"""Mixed requests to the HTTP API: whether all are served, and what deliveries beside them cost.

Of a hundred requests 60 list, 25 show one thing, 10 send a few events and 5 change something, each at a random time
that is fixed beforehand. Each of the clients has an administrator's token, as people and their programs do, and
producers have theirs: the server has its default limits, by which a token asks 20 times a second. ``mixed`` has nothing
else running, and what was sent is taken in and delivered afterwards; ``beside`` has worker and beat at work, and sends
no events over HTTP, so that what is delivered is the same with the requests and without. The ledger has to balance.
"""

import json
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks import latency
from benchmarks.api_server import (
    PRODUCER,
    Answered,
    ApiServer,
    Asked,
    load_average,
    serving,
)
from benchmarks.contenders import WITHIN
from benchmarks.growth import NO_RATE_LIMIT
from benchmarks.open_loop import how_many, p50_and_p99
from benchmarks.ours import at_work, event
from benchmarks.stack import CORES, BenchmarkStack, benchmark_stack, say
from wallarm_notify.devstack.processes import wait_until

INTEGRATIONS: Final = latency.INTEGRATIONS
STORED: Final = 60
"""So many events of each client are delivered before anybody asks, so that lists have something."""

IN_A_CALL: Final = 3
THREADS: Final = 16
"""So many connections there are at once; a request that comes while all wait counts from when it was due."""

OURS: Final = "/notify/v1"

MOST_TIMES: Final = 1.5
"""So many times p99 of a delivery alone it is to be at most beside requests."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client who asks: its number, which is its integration's too, its token, and one of its notifications."""

    number: int
    token: str
    notification: int
    event: str


Maker = Callable[[random.Random, Client], Asked]
"""Makes a request of a client."""


def _get(kind: str, path: str) -> Maker:
    return lambda _, client: Asked(
        kind,
        OURS
        + path.format(client=client.number, notification=client.notification, event=client.event),
        client.token,
    )


def _named(choose: random.Random, client: Client) -> Asked:
    body = json.dumps({"name": f"renamed {choose.randrange(10**9)}"})
    return Asked("a change", f"{OURS}/integrations/{client.number}", client.token, "PATCH", body)


LISTS: Final[Sequence[Maker]] = (
    _get("a list", "/notifications"),
    _get("a list", "/notifications?state=failed"),
    _get("a list", "/notifications?integration_id={client}"),
    _get("a list", "/events"),
    _get("a list", "/integrations"),
    _get("a list", "/triggers"),
    _get("a list", "/activity"),
)

ONES: Final[Sequence[Maker]] = (
    _get("one thing", "/notifications/{notification}"),
    _get("one thing", "/events/{event}"),
    _get("one thing", "/integrations/{client}"),
    _get("one thing", "/integrations/{client}/failure-ratio"),
    _get("one thing", "/coverage"),
)

SHARES: Final = {"lists": 60, "ones": 25, "events": 10, "changes": 5}
"""Of a hundred requests; without events lists take their place."""


def mixed(rate: float, seconds: float, clients: int, producers: int) -> dict[str, Any]:
    """Return milliseconds and errors of mixed requests with nothing else running. Raise Void."""
    with benchmark_stack(rate_limit_per_minute=NO_RATE_LIMIT) as stack:
        there = _filled(stack, clients)
        with serving(stack) as server:
            senders = [server.token(*PRODUCER) for _ in range(producers)]
            asked = planned(rate, seconds, _with_tokens(server, there), senders)
            say(f"asking {len(asked)} times within {seconds:.0f} s")
            before, load = server.cpu(), load_average()
            answers = server.ask(asked, threads=THREADS)
            used = server.cpu() - before
        _deliver(stack, asked)
    return {
        "rate": rate,
        "seconds": seconds,
        "clients": clients,
        "producers": producers,
        "cores": CORES,
        "load_before": load,
        "cpu_share": used / seconds,
        "errors": _errors(answers),
        "kinds": {kind: _figures(answers, kind) for kind in sorted({a.kind for a in answers})},
        "all": _figures(answers),
    }


def beside(
    rate: float, events_rate: float, seconds: float, pairs: int, clients: int
) -> dict[str, Any]:
    """Return the latency of deliveries alone and beside requests, in milliseconds. Raise Void."""
    runs: dict[str, list[dict[str, float]]] = {"alone": [], "beside": []}
    errors: dict[str, int] = {}
    with benchmark_stack(rate_limit_per_minute=NO_RATE_LIMIT) as stack:
        there = _filled(stack, clients)
        with serving(stack) as server:
            known = _with_tokens(server, there)
            load = load_average()
            for number in range(1, pairs + 1):
                for name, found in runs.items():
                    asked = planned(rate, seconds, known) if name == "beside" else []
                    figures, answers = _delivered(stack, server, asked, events_rate, seconds)
                    found.append(figures)
                    errors = _errors(answers, errors)
                    say(f"pair {number} of {pairs}: {name}: p99 {figures['p99']:,.1f} ms")
    return {
        "rate": rate,
        "events_rate": events_rate,
        "seconds": seconds,
        "cores": CORES,
        "load_before": load,
        "errors": errors,
        "milliseconds": runs,
        "ratios": {
            figure: statistics.median(
                b[figure] / a[figure] for a, b in zip(runs["alone"], runs["beside"], strict=True)
            )
            for figure in latency.FIGURES
        },
    }


def planned(
    rate: float, seconds: float, clients: Sequence[Client], producers: Sequence[str] = ()
) -> list[Asked]:
    """Return requests at ``rate`` a second in the order in which they are due, the same every time.

    Each of ``clients`` and of the tokens of ``producers`` has its turn, so that nobody asks more than its share.
    """
    choose = random.Random(1)  # noqa: S311 - the same requests every time
    times = sorted(choose.uniform(0, seconds) for _ in range(how_many(rate, seconds)))
    shares = (
        SHARES
        if producers
        else {**SHARES, "lists": SHARES["lists"] + SHARES["events"], "events": 0}
    )
    what = choose.choices(list(shares), list(shares.values()), k=len(times))
    asked = []
    for number, (at, kind) in enumerate(zip(times, what, strict=True)):
        client = clients[number % len(clients)]
        if kind == "events":
            one = _sent(number, client, producers[number % len(producers)])
        else:
            makers = {"lists": LISTS, "ones": ONES, "changes": (_named,)}[kind]
            one = choose.choice(makers)(choose, client)
        asked.append(Asked(one.kind, one.path, one.token, one.method, one.body, at))
    return asked


def mixed_table(result: Mapping[str, Any]) -> list[str]:
    """Return the result of ``mixed`` as a table in Markdown."""
    lines = [
        (
            f"{result['rate']:,.0f} requests/s for {result['seconds']:.0f} s at times fixed beforehand, nothing else "
            f"running, on {result['cores']} cores ({result['load_before']:.1f} processes wanted one before): "
            f"{result['clients']} clients and {result['producers']} producers, each with a token, and the server's "
            f"default limits. The server used {result['cpu_share']:.0%} of a core."
        ),
        "",
        "| | requests | p50, ms | p99, ms |",
        "| --- | --- | --- | --- |",
    ]
    for kind, found in [*result["kinds"].items(), ("all", result["all"])]:
        lines.append(
            f"| {kind} | {found['requests']:,.0f} | {found['p50']:,.1f} | {found['p99']:,.1f} |"
        )
    return [*lines, "", f"Not served: {_error_words(result['errors'])}."]


def beside_table(result: Mapping[str, Any]) -> list[str]:
    """Return the result of ``beside`` as a table in Markdown."""
    lines = [
        (
            f"{result['events_rate']:,.0f} events/s delivered, alone and beside {result['rate']:,.0f} requests/s on "
            f"{result['cores']} cores ({result['load_before']:.1f} processes wanted one before); from the producer's "
            "call to the sink's first byte, in ms:"
        ),
        "",
        "| | p50, median | p99, median | runs, p50 / p99 |",
        "| --- | --- | --- | --- |",
    ]
    for name, runs in result["milliseconds"].items():
        p50, p99 = (statistics.median(run[figure] for run in runs) for figure in latency.FIGURES)
        each = ", ".join(f"{run['p50']:,.1f} / {run['p99']:,.1f}" for run in runs)
        lines.append(f"| {name} | {p50:,.1f} | {p99:,.1f} | {each} |")
    ratios = result["ratios"]
    return [
        *lines,
        "",
        (
            f"Medians of the ratios beside/alone, runs paired: p50 {ratios['p50']:.2f}, p99 {ratios['p99']:.2f}, of "
            f"which ≤ {MOST_TIMES} is asked. Requests not served: {_error_words(result['errors'])}."
        ),
    ]


def _filled(stack: BenchmarkStack, number: int) -> list[Client]:
    """Make integrations, deliver events of so many clients; return these, without their tokens."""
    stack.make_integrations(INTEGRATIONS)
    stack.sink.forget()
    stored = STORED * number
    with at_work(stack, stored), stack.producer() as send:
        for first in range(0, stored, STORED):
            latency.send_events(
                send, [event(n, n % number + 1) for n in range(first, first + STORED)]
            )
        stack.sink.wait_for(stored, WITHIN)
    clients = []
    for client in range(1, number + 1):
        line = stack.text(
            "SELECT n.id || ' ' || e.id FROM notifications n JOIN events e ON e.no = n.event_no "  # noqa: S608 - ours
            f"WHERE n.client_id = {client} LIMIT 1"
        )
        notification, event_id = line.split()
        clients.append(Client(client, "", int(notification), event_id))
    return clients


def _with_tokens(server: ApiServer, clients: Sequence[Client]) -> list[Client]:
    say(f"making tokens of {len(clients)} clients")
    return [
        replace(one, token=server.token("--client", str(one.number), "--role", "admin"))
        for one in clients
    ]


def _sent(number: int, client: Client, token: str) -> Asked:
    events = [event(number * IN_A_CALL + n, client.number) for n in range(IN_A_CALL)]
    body = json.dumps({"events": events})
    return Asked("events", f"{OURS}/events", token, "POST", body)


def _deliver(stack: BenchmarkStack, asked: Sequence[Asked]) -> None:
    """Take in and deliver what was sent. Raise Void where it is another number, or the ledger does not balance."""
    sent = IN_A_CALL * sum(one.kind == "events" for one in asked)
    before = stack.counted("received")
    stack.sink.forget()
    with at_work(stack, sent):
        wait_until(
            lambda: stack.counted("received") - before >= sent, WITHIN, f"{sent} events stored"
        )
        stack.sink.wait_for(sent, WITHIN)


def _delivered(
    stack: BenchmarkStack,
    server: ApiServer,
    asked: Sequence[Asked],
    events_rate: float,
    seconds: float,
) -> tuple[dict[str, float], list[Answered]]:
    """Return the latency of deliveries beside requests, and what became of these."""
    with (
        at_work(stack, how_many(events_rate, seconds)),
        stack.producer() as send,
        server.asking(asked, threads=THREADS) as answers,
    ):
        figures = latency.played(
            stack,
            events_rate,
            seconds,
            lambda n: latency.send_events(send, [event(n, n % INTEGRATIONS + 1)]),
        )
    return figures, answers


def _figures(answers: Sequence[Answered], kind: str | None = None) -> dict[str, float]:
    found = [one.milliseconds / 1000 for one in answers if kind in (None, one.kind)]
    return {"requests": len(found), **p50_and_p99(found)}


def _errors(answers: Sequence[Answered], before: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return how many requests were not served, by what was answered, beside those of ``before``."""
    errors = dict(before or {})
    for one in answers:
        if one.is_error:
            say(f"not served: {one.kind}: {one.status} {one.trouble}")
            words = str(one.status or one.trouble)
            errors[words] = errors.get(words, 0) + 1
    return errors


def _error_words(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{number} of {words}" for words, number in errors.items()) or "none"
