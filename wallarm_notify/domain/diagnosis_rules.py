"""The rules by which a diagnosis is made: what each fact means, and what to do about it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.diagnosis import (
    FailingIntegration,
    Finding,
    Grade,
    RateLimitedIntegration,
    Server,
    Trouble,
)
from wallarm_notify.domain.feed import QuietFeeds
from wallarm_notify.domain.health import FailureClass
from wallarm_notify.domain.readiness import (
    GONE_AFTER,
    RUNS_MISSED,
    SILENT_AFTER,
    Node,
    QueueLength,
    Readiness,
    Standing,
    Word,
)
from wallarm_notify.domain.words import counted, duration_of

ODD_CLOCK: Final = timedelta(seconds=1)
"""From such a difference on waits between attempts are not what they should be: workers wait by their own clocks."""

BAD_CLOCK: Final = timedelta(seconds=30)
"""From such a difference on retries are late by more than a cycle's first waits."""

FULL: Final = 0.8
"""The share of its connections from which on a database is nearly full."""

LEAST_FREE: Final = 0.05
"""The share of a disk that has to be free."""

FILLING: Final = timedelta(seconds=30)
"""A queue that was not seen empty for so long may grow; workers take what comes at once."""

NAMED: Final = 3
"""So many things are named in a finding; of more their number is said."""

_WITHOUT: Final = {
    "review": "no integration is judged or disabled",
    "prune": "what is past its retention stays",
}
"""What does not happen while one of beat's tasks does not run."""

_FAILURES: Final = {
    FailureClass.NETWORK: "no answer came",
    FailureClass.SERVER: "PagerDuty answered with 5xx",
    FailureClass.THROTTLED: "PagerDuty takes fewer requests of the key (429)",
    FailureClass.CLIENT: "PagerDuty refused the alert or its key (4xx)",
    FailureClass.OTHER: "something else than PagerDuty answered",
}


def of_server(server: Server, here: datetime) -> list[Finding]:
    """Return what was found of the database; ``here`` is this process's time when it was asked."""
    through = ", through a pooler" if server.pooled else ""
    use = f"{server.connections} of {server.most} connections"
    found = [
        Finding(
            "database",
            Grade.GOOD,
            f"PostgreSQL {server.version} answers{through}: {server.encoding}, time-outs hold, "
            f"{_size(server.size)}, {use}.",
        )
    ]
    if server.connections >= FULL * server.most:
        found.append(
            Finding(
                "connections",
                Grade.ODD,
                f"{use} to the database are in use; whoever comes next may be refused.",
                "Raise max_connections, put PgBouncer before it, or run fewer processes.",
            )
        )
    found += of_clock("this machine", here - server.clock)
    return found


def of_clock(whose: str, ahead: timedelta) -> list[Finding]:
    """Return what was found of a clock that is ``ahead`` of the database's, by which everything is due."""
    if abs(ahead) < ODD_CLOCK:
        return [Finding("clocks", Grade.GOOD, f"The clock of {whose} agrees with the database's.")]
    way = "ahead of" if ahead > timedelta(0) else "behind"
    return [
        Finding(
            "clocks",
            Grade.BAD if abs(ahead) >= BAD_CLOCK else Grade.ODD,
            f"The clock of {whose} is {_span(abs(ahead))} {way} the database's.",
            "Set both by NTP: retries wait by the clocks of workers.",
        )
    ]


def of_readiness(found: Readiness, standing: Standing) -> list[Finding]:
    """Return what was found of queues without a consumer, queues that grow, beat, and what is overdue."""
    return [
        *_of_queues(found, standing),
        _of_beat(found, standing),
        _of_overdue(found, standing),
    ]


def of_broker(broker: Word) -> list[Finding]:
    """Return what was found of a broker of which no more than that is known."""
    if broker is not Word.UNREACHABLE:
        return []
    return [
        Finding(
            "broker",
            Grade.BAD,
            "The broker does not answer: no event comes in, and workers are sent nothing.",
            "Bring it back: what is stored waits, and is sent then.",
        )
    ]


def of_nodes(nodes: Sequence[Node], now: datetime) -> list[Finding]:
    """Return what was found of each worker's node that was seen within a day, and of its clock.

    One that is gone is no trouble by itself: where nobody took its place, its queues are named.
    """
    found = []
    for node in nodes:
        away, queues = now - node.seen_at, ", ".join(node.queues)
        if away > GONE_AFTER:
            sentence = f"{node.name}, which took from {queues}, was last seen {_span(away)} ago."
            found.append(Finding("workers", Grade.GOOD, sentence))
            continue
        since = _span(now - node.began_at)
        found.append(
            Finding("workers", Grade.GOOD, f"{node.name} takes from {queues}, for {since}.")
        )
        if node.ahead is not None and abs(node.ahead) >= ODD_CLOCK:
            found += of_clock(node.name, node.ahead)
    return found


def of_runs(
    runs: Mapping[str, datetime | None], intervals: Mapping[str, timedelta], now: datetime
) -> list[Finding]:
    """Return what was found of beat's other tasks, each with the time of its last run and its interval."""
    found = []
    for name, ran_at in runs.items():
        allowed = max(SILENT_AFTER, RUNS_MISSED * intervals[name])
        if ran_at is not None and now - ran_at <= allowed:
            continue
        since = "never run" if ran_at is None else f"not run for {_span(now - ran_at)}"
        found.append(
            Finding(
                "beat",
                Grade.ODD,
                f"{name.upper()} has {since}: {_WITHOUT[name]}.",
                "See the log of the worker that consumes the queue upkeep.",
            )
        )
    return found


def of_disk(folder: str, free: int, total: int) -> list[Finding]:
    """Return what was found of the disk of this machine that has ``folder``, in bytes."""
    sentence = f"{_size(free)} of {_size(total)} are free at {folder}."
    if free >= LEAST_FREE * total:
        return [Finding("disk", Grade.GOOD, sentence)]
    return [
        Finding(
            "disk",
            Grade.ODD,
            sentence,
            "Make room on this machine; look at the disks of database and broker too.",
        )
    ]


def of_trouble(trouble: Trouble) -> list[Finding]:
    """Return what was found of PagerDuty, integrations and what producers send."""
    return [
        *(_of_outage(region) for region in trouble.outages),
        *_of_integrations(trouble),
        *_of_incoming(trouble),
    ]


def _of_queues(found: Readiness, standing: Standing) -> list[Finding]:
    lengths = {one.queue: one for one in standing.queues}
    findings = _of_unattended(found.unattended, lengths)
    findings += [
        _of_queue(one, Grade.BAD if one.queue in found.backlogged else Grade.ODD)
        for one in standing.queues
        if one.queue not in found.unattended
        and (one.queue in found.backlogged or _fills(one, standing.now))
    ]
    if not findings:
        waiting = sum(one.messages for one in standing.queues)
        findings.append(
            Finding(
                "queues",
                Grade.GOOD,
                f"Each queue is consumed; {_waiting(waiting)}.",
            )
        )
    return findings


def _fills(one: QueueLength, now: datetime) -> bool:
    return now - one.measured_at <= GONE_AFTER and one.waiting >= FILLING


def _of_queue(one: QueueLength, grade: Grade) -> Finding:
    return Finding(
        f"queue {one.queue}",
        grade,
        f"The queue {one.queue} was not seen empty for {_span(one.waiting)}: {_waiting(one.messages)}.",
        "Start more workers of it, or find out who sends so much: wallarm-notify events list --since 10m",
    )


def _of_unattended(queues: Sequence[str], lengths: Mapping[str, QueueLength]) -> list[Finding]:
    if not queues:
        return []
    one, named = len(queues) == 1, ", ".join(queues)
    known = [lengths[queue].messages for queue in queues if queue in lengths]
    waiting = f"; {_waiting(sum(known))} there" if known else ""
    return [
        Finding(
            f"queue {named}" if one else "queues",
            Grade.BAD,
            f"Nobody takes from the queue{'' if one else 's'} {named}{waiting}.",
            f"Start a worker that consumes {'it' if one else 'them'}: celery -A tasks worker -Q {','.join(queues)}",
        )
    ]


def _waiting(messages: int) -> str:
    if messages == 0:
        return "nothing waits"
    return f"{counted(messages, 'message')} {'waits' if messages == 1 else 'wait'}"


def _of_beat(found: Readiness, standing: Standing) -> Finding:
    if found.beat is Word.OK:
        return Finding("beat", Grade.GOOD, "Beat runs: SWEEP began in time.")
    if standing.ran_at is None:
        sentence = "SWEEP has never run."
    else:
        since = _span(standing.now - standing.ran_at)
        sentence = f"SWEEP has not run for {since}."
    return Finding(
        "beat",
        Grade.BAD,
        f"{sentence} Nothing that was lost is found again, and no integration is judged.",
        "Start beat (make beat) on one host, and a worker that consumes the queue upkeep.",
    )


def _of_overdue(found: Readiness, standing: Standing) -> Finding:
    if standing.due_at is None:
        return Finding("deliveries", Grade.GOOD, "Nothing is overdue.")
    late = _span(max(standing.now - standing.due_at, timedelta(0)))
    if found.oldest_due is Word.OK:
        return Finding("deliveries", Grade.GOOD, f"The oldest delivery is {late} overdue.")
    return Finding(
        "deliveries",
        Grade.BAD,
        f"The oldest delivery is {late} overdue.",
        "See the worst findings here: mostly nobody consumes notifications or retries, or workers are too few.",
    )


def _of_outage(region: str) -> Finding:
    return Finding(
        "PagerDuty",
        Grade.BAD,
        f"PagerDuty's region {region} fails for most integrations.",
        "Wait, and see status.pagerduty.com: alerts are retried on all three cycles, and nothing is switched off.",
    )


def _of_integrations(trouble: Trouble) -> list[Finding]:
    found = []
    if trouble.off:
        found.append(
            Finding(
                "integrations",
                Grade.ODD,
                f"Disabled automatically: {_named(trouble.off)}; nobody is paged by them.",
                f"Find out why: wallarm-notify integrations explain {trouble.off[0]}; then enable it, and replay.",
                trouble.off[0],
            )
        )
    found += [_of_failing(one) for one in trouble.failing[:NAMED]]
    found += [_of_rate_limited(one) for one in trouble.rate_limited[:NAMED]]
    if trouble.slow:
        found.append(
            Finding(
                "integrations",
                Grade.ODD,
                f"PagerDuty answers slowly for {_named(trouble.slow)}; these are sent one at a time.",
                "Wait: they hold up nobody else. Many at once are PagerDuty's trouble, or the way to it.",
                trouble.slow[0],
            )
        )
    return found


def _of_rate_limited(one: RateLimitedIntegration) -> Finding:
    return Finding(
        "integrations",
        Grade.ODD,
        f"Integration {one.id} of client {one.client_id} has {counted(one.alerts, 'alert')} that "
        f"{'waits' if one.alerts == 1 else 'wait'} for the rate limit of its key, the last for {_span(one.wait)}.",
        f"See what floods it: wallarm-notify events list --client {one.client_id} --since 10m; severe alerts go first.",
        one.id,
    )


def _of_failing(one: FailingIntegration) -> Finding:
    return Finding(
        "integrations",
        Grade.ODD,
        f"Integration {one.id} of client {one.client_id} failed {one.failed} of "
        f"{counted(one.attempts, 'attempt')} in the last hour, mostly: {_FAILURES[one.mostly]}.",
        f"See the answers and what to do: wallarm-notify integrations explain {one.id}",
        one.id,
    )


def _of_incoming(trouble: Trouble) -> list[Finding]:
    found = []
    total = sum(trouble.rejected.values())
    if total:
        (kind, reason), most = max(trouble.rejected.items(), key=lambda one: one[1])
        mostly = "" if most == total else f"{most} of them "
        found.append(
            Finding(
                "producers",
                Grade.ODD,
                f"{counted(total, 'event')} rejected in the last hour, {mostly}of type {kind}: {reason}",
                "See them, mend who sends them, and resubmit: wallarm-notify events rejected",
            )
        )
    if trouble.undecodable:
        found.append(
            Finding(
                "producers",
                Grade.ODD,
                f"{counted(trouble.undecodable, 'message')} in the last hour could not be decoded.",
                "See who sends them: wallarm-notify events undecodable",
            )
        )
    if trouble.set_aside:
        found.append(
            Finding(
                "producers",
                Grade.BAD,
                f"{counted(trouble.set_aside, 'call')} set aside, as workers died of it.",
                "See what is in it, and report it: wallarm-notify events set-aside",
            )
        )
    return found + _of_quiet(trouble.quiet)


def _of_quiet(quiet: QuietFeeds) -> list[Finding]:
    if not quiet.number:
        return []
    named = ", ".join(
        f"{one.client_id} for {_span(one.quiet)} (at most {_span(one.longest)} in the week before)"
        for one in quiet.longest
    )
    others = quiet.number - len(quiet.longest)
    more = f", and {others} more" if others else ""
    return [
        Finding(
            "producers",
            Grade.ODD,
            f"No event came of {counted(quiet.number, 'client')}: {named}{more}.",
            "Ask who sends them whether that is right; see what came last: wallarm-notify events list --client "
            f"{quiet.longest[0].client_id}",
        )
    ]


def _span(time: timedelta) -> str:
    return duration_of(time.total_seconds())


def _named(ids: Sequence[int]) -> str:
    first = ", ".join(map(str, ids[:NAMED]))
    words = f"integration{'' if len(ids) == 1 else 's'} {first}"
    return words if len(ids) <= NAMED else f"{words} and {len(ids) - NAMED} more"


def _size(octets: int) -> str:
    size = float(octets)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - units are a thousand apart
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
