"""Where the time of (e) goes: what each step of an event's way costs, in microseconds.

    python -m benchmarks.parts [--batches 60] [--json]

One process works off batches of 100 events for 1,000 integrations, one step after the other: what the
worker's own CPU did, and what it waited for, which is PostgreSQL but for the sends. ``route`` claims what it
makes; what routing and a claim by message take instead, where there is one, is a figure of its own. ``send`` is what
the dispatcher takes beside rendering and recording: its threads, libcurl, and the sink's answers. Celery's own
part, one task for a hundred events, is that of ``compare``'s empty tasks.
"""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from benchmarks.contenders import nothing
from benchmarks.ours import event
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.outcome import Answer, Attempt
from wallarm_notify.domain.sending import Claim
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.pagerduty.request import request_of
from wallarm_notify.schemas.read import read_call
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sending import request_settings_of
from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import record
from wallarm_notify.worker_parts import sender_of

INTEGRATIONS: Final = 1000
BATCH: Final = 100
WARM: Final = 10
"""How many batches come before the first that counts: every integration's key is decrypted by then."""

EMPTY_TASKS: Final = 2000

PARTS: Final = ("decode", "validate", "route", "render", "send", "record")

BY_MESSAGE: Final = ("route without a claim", "claim by message")


class SilentPublisher:
    """A publisher that enqueues nothing, and keeps the ids of what it was to enqueue."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def publish(self, messages: Sequence[Message]) -> None:
        """Keep the ids of the notifications."""
        self.ids += [i for message in messages for i in message.ids]

    def length(self, *, first: bool) -> int | None:
        """Return 0: nothing waits in any queue."""
        del first
        return 0

    def lengths(self) -> Mapping[str, int]:
        """Return nothing: there are no queues."""
        return {}

    def request_replays(self) -> None:
        """See ``services.ports.Publisher``."""

    def enqueue(self, call: TriedCall) -> bool:
        """Return True, and enqueue nothing."""
        del call
        return True

    def taken(self) -> list[int]:
        """Return the ids kept since the last time."""
        ids, self.ids = self.ids, []
        return ids


class KeepingDispatcher:
    """A dispatcher that sends nothing, and keeps the claim it is given."""

    claim: Claim | None = None

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """Return room for a whole batch of each client."""
        return dict.fromkeys(client_ids, BATCH)

    def dispatch(self, claim: Claim) -> None:
        """Keep ``claim``."""
        self.claim = claim

    def taken(self) -> Claim:
        """Return the claim that was given last. Raise Void where it is not a whole batch."""
        claim, self.claim = self.claim, None
        if claim is None or len(claim.sendings) < BATCH:
            raise Void("not everything was claimed in the transaction that made it")
        return claim


class Clock:
    """Seconds of this process's CPU, and of waiting, by step; one of each for a batch."""

    def __init__(self) -> None:
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.waited: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note what the block takes."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        used = time.process_time() - cpu
        self.cpu[name].append(used)
        self.waited[name].append(max(time.perf_counter() - wall - used, 0.0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, default=60, help="of 100 events")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    result = measured(options.batches)
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(batches: int) -> dict[str, Any]:
    """Return microseconds an event by step: medians over the batches. Raise Void."""
    with benchmark_stack() as one:
        one.make_integrations(INTEGRATIONS)
        empty = 1 / nothing(one, EMPTY_TASKS)
        clock = _worked_off(one, batches)
    cpu = {name: _each(clock.cpu[name]) for name in clock.cpu}
    waited = {name: _each(clock.waited[name]) for name in clock.waited}
    cpu["send"] = max(cpu.pop("dispatch") - cpu["render"] - cpu["record"], 0.0)
    waited["send"] = 0.0
    return {
        "batches": batches,
        "cores": CORES,
        "parts": {
            "Celery": {"cpu": empty * CORES / BATCH * 1e6, "waited": 0.0},
            **{name: {"cpu": cpu[name], "waited": waited[name]} for name in PARTS},
        },
        "by_message": {
            "cpu": sum(cpu[name] for name in BY_MESSAGE),
            "waited": sum(waited[name] for name in BY_MESSAGE),
        },
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    title = f"Batches of {BATCH} events for {INTEGRATIONS:,} integrations, one step after the other"
    lines = [
        f"{title}, on {result['cores']} cores:",
        "",
        "| part | CPU, µs an event | waiting for PostgreSQL, µs an event |",
        "| --- | --- | --- |",
    ]
    for name, part in result["parts"].items():
        lines.append(f"| {name} | {part['cpu']:,.0f} | {part['waited'] or 0:,.0f} |")
    whole = {
        kind: sum(part[kind] for part in result["parts"].values()) for kind in ("cpu", "waited")
    }
    more = result["by_message"]
    return [
        *lines,
        f"| all | {whole['cpu']:,.0f} | {whole['waited']:,.0f} |",
        "",
        (
            f"With a claim by message, routing and claiming take {more['cpu']:,.0f} µs of CPU and "
            f"{more['waited']:,.0f} µs of waiting, and Celery twice what it does here."
        ),
    ]


def _worked_off(one: BenchmarkStack, batches: int) -> Clock:
    publisher, kept = SilentPublisher(), KeepingDispatcher()
    # The tasks between the parts are Celery's, which is counted apart.
    one.wiring = Wiring(one.settings, replace(one.wiring.context, publisher=publisher))
    sender = sender_of(one.wiring.context, one.settings)
    clock = Clock()
    for number in range(WARM + batches):
        if number == WARM:
            say(f"measuring {batches} batches")
            clock = Clock()
        _batch(one, sender, kept, clock, number)
        _by_message(one, publisher, clock, number)
    return clock


def _events(number: int) -> list[dict[str, Any]]:
    first = number * BATCH
    return [event(first + n, (first + n) % INTEGRATIONS + 1) for n in range(BATCH)]


def _batch(
    one: BenchmarkStack, sender: Dispatcher, kept: KeepingDispatcher, clock: Clock, number: int
) -> None:
    body = json.dumps([[], {"events": _events(number)}, {}])
    with clock.part("decode"):
        call = json.loads(body)
    with clock.part("validate"):
        events, rejections = read_call(call[0], call[1])
    with clock.part("route"):
        ingest(one.wiring.context, events, rejections, dispatcher=kept)
    claim = kept.taken()
    settings = request_settings_of(one.wiring.settings)
    with clock.part("render"):
        for sending in claim.sendings:
            request_of(sending, settings)
    with clock.part("dispatch"):
        sender.dispatch(claim)
        sender.drain(30)


def _by_message(one: BenchmarkStack, publisher: SilentPublisher, clock: Clock, number: int) -> None:
    """Work off another batch, recorded by this thread and not by the recorder's."""
    events, rejections = read_call((), {"events": _events(number)})
    route, claim_it = BY_MESSAGE
    with clock.part(route):
        ingest(one.wiring.context, events, rejections)
    with clock.part(claim_it):
        claimed = claim(one.wiring.context, publisher.taken())
    attempts = answered(claimed)
    with clock.part("record"):
        record(one.wiring.context, attempts)


def answered(claim: Claim) -> list[Attempt]:
    """Return the attempts of a claim of which PagerDuty accepted everything."""
    return [
        Attempt(
            notification_id=s.notification.id,
            integration_id=s.notification.integration_id,
            generation=s.generation,
            fence=s.notification.fence,
            run=s.notification.run,
            number=s.number,
            at=claim.now,
            duration=timedelta(milliseconds=2),
            answer=Answer(202, None, '{"status":"success","message":"Event processed"}'),
            dedup_start=start_of(s.dedup_key),
        )
        for s in claim.sendings
    ]


def _each(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) / BATCH * 1e6


if __name__ == "__main__":
    sys.exit(main())
