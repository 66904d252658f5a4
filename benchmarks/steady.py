"""Whether this pipeline keeps up with a steady stream where PagerDuty takes 150 ms to answer.

    python -m benchmarks.steady [--rate 500] [--batch 5] [--seconds 30] [--json]

An open loop: 500 events a second for 1,000 integrations, in calls of five. The backlog is what was sent
and has not ended in the database, wherever it waits; it is looked at once a second. The stream is
sustained where the mean backlog of the last third is not over that of the middle third by more than what
arrives in a second. A backlog that grows slowly passes a short run: by how much it grew a second is a
figure too. A run whose ledger does not balance is void.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final

from redis import Redis

from benchmarks.contenders import WITHIN
from benchmarks.open_loop import evenly, how_many, on_time
from benchmarks.ours import at_work, event
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST, NOTIFICATIONS_QUEUE, RETRIES_QUEUE

INTEGRATIONS: Final = 1000

ENDED: Final = """
    SELECT coalesce((SELECT sum(value) FROM counts WHERE kind = 'made:card'), 0)
        - (SELECT count(*) FROM notifications WHERE finished_at IS NULL)"""


@dataclass(frozen=True)
class Sample:
    """How many events, notifications and waiting messages there are at one moment.

    ``ended`` is counted by the database, in one snapshot; ``arrived`` by the sink.
    """

    second: float
    sent: int
    arrived: int
    ended: int
    open: int
    queued: Mapping[str, int]

    @property
    def backlog(self) -> int:
        """What was sent and has not ended."""
        return self.sent - self.ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where the run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=500.0, help="events a second")
    parser.add_argument("--batch", type=int, default=5, help="events a call")
    parser.add_argument("--delay", type=float, default=0.15, help="seconds until the sink answers")
    parser.add_argument("--seconds", type=float, default=30.0, help="of sending; 6 or more")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        result = measured(options.rate, options.batch, options.delay, options.seconds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(rate: float, batch: int, delay: float, seconds: float) -> dict[str, Any]:
    """Return the samples of a run, their means by thirds, and whether it was sustained. Raise Void."""
    with benchmark_stack(delay=delay) as one:
        say(f"making {INTEGRATIONS} integrations")
        one.make_integrations(INTEGRATIONS)
        samples = _played(one, rate, batch, seconds)
    thirds = _thirds(samples)
    before, last = (statistics.mean(s.backlog for s in third) for third in thirds[1:])
    first, end = thirds[0][-1], thirds[2][-1]
    took = end.second - first.second
    return {
        "rate": rate,
        "batch": batch,
        "delay": delay,
        "integrations": INTEGRATIONS,
        "cores": CORES,
        "offered_per_second": (end.sent - first.sent) / took,
        "delivered_per_second": (end.ended - first.ended) / took,
        "mean_backlog": [statistics.mean(s.backlog for s in third) for third in thirds],
        "growth_per_second": (last - before) / (end.second - thirds[1][-1].second),
        "sustained": last <= before + rate,
        "samples": [asdict(s) | {"backlog": s.backlog} for s in samples],
        "ends": [asdict(third[-1]) | {"backlog": third[-1].backlog} for third in thirds],
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        (
            f"{result['rate']:,.0f} events/s in calls of {result['batch']} for {result['integrations']:,} "
            f"integrations on {result['cores']} cores, the sink answering after {result['delay'] * 1000:.0f} ms:"
        ),
        "",
        (
            "| at the end of third | backlog | its mean | open notifications "
            "| waiting messages: events | first attempts | retries |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, (end, mean) in enumerate(
        zip(result["ends"], result["mean_backlog"], strict=True), 1
    ):
        queued = " | ".join(f"{n:,}" for n in end["queued"].values())
        lines.append(
            f"| {number} | {end['backlog']:,} | {mean:,.0f} | {end['open']:,} | {queued} |"
        )
    outcome = "sustained" if result["sustained"] else "not sustained"
    return [
        *lines,
        "",
        (
            f"After the first third {result['offered_per_second']:,.0f} events/s were offered and "
            f"{result['delivered_per_second']:,.0f} delivered; from the second third "
            f"to the last the mean backlog grew by {result['growth_per_second']:,.1f} a second: {outcome}."
        ),
    ]


def _played(stack: BenchmarkStack, rate: float, batch: int, seconds: float) -> list[Sample]:
    calls = how_many(rate / batch, seconds)
    sent = [0]
    with at_work(stack, calls * batch):
        with stack.producer() as send, ThreadPoolExecutor(1) as beside:
            watching = beside.submit(_watched, stack, sent, seconds)
            for call in on_time(evenly(rate / batch, seconds)):
                numbers = range(call * batch, (call + 1) * batch)
                events = [event(n, n % INTEGRATIONS + 1) for n in numbers]
                send(INGEST, kwargs={"events": events}, queue=EVENTS_QUEUE)
                sent[0] += batch
            samples = watching.result()
        seen = stack.sink.wait_for(calls * batch, WITHIN)
    if seen["requests"] != calls * batch:
        raise Void(f"{seen['requests']} requests for {calls * batch} events")
    return samples


def _watched(stack: BenchmarkStack, sent: Sequence[int], seconds: float) -> list[Sample]:
    """Return a sample for each second, for as long as events are sent."""
    samples = []
    began = time.monotonic()
    with Redis.from_url(stack.broker_url) as redis:
        for _ in on_time(evenly(1, seconds, start=1)):
            ended = stack.number(ENDED)  # before ``sent``: a backlog is rather too large
            samples.append(
                Sample(
                    second=time.monotonic() - began,
                    sent=sent[0],
                    arrived=stack.sink.seen()["requests"],
                    ended=ended,
                    open=stack.open_notifications(),
                    queued={
                        name: int(redis.llen(name))
                        for name in (EVENTS_QUEUE, NOTIFICATIONS_QUEUE, RETRIES_QUEUE)
                    },
                )
            )
            say(f"second {len(samples)}: {samples[-1].backlog:,} in the backlog")
    return samples


def _thirds(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    size = len(samples) // 3
    if not size:
        raise Void(f"{len(samples)} samples make no thirds: --seconds 6 or more")
    return [samples[-3 * size : -2 * size], samples[-2 * size : -size], samples[-size:]]


if __name__ == "__main__":
    sys.exit(main())
