"""A diagnosis: what each fact means, its limits, the order of findings and the first sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wallarm_notify.domain.diagnosis import (
    FailingIntegration,
    Finding,
    Grade,
    RateLimitedIntegration,
    Server,
    Trouble,
    diagnosis_of,
)
from wallarm_notify.domain.diagnosis_rules import (
    of_broker,
    of_clock,
    of_disk,
    of_nodes,
    of_readiness,
    of_runs,
    of_server,
    of_trouble,
)
from wallarm_notify.domain.feed import QuietFeed, QuietFeeds
from wallarm_notify.domain.health import FailureClass
from wallarm_notify.domain.readiness import Node, QueueLength, Standing, Word, readiness_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
GOOD = Finding("x", Grade.GOOD, "Well.")
ODD = Finding("y", Grade.ODD, "Odd.", "Look.")
BAD = Finding("z", Grade.BAD, "Bad.", "Mend it.")


@pytest.mark.parametrize(
    ("findings", "sentence", "bad"),
    [
        ([GOOD], "Paging works.", False),
        ([GOOD, ODD], "Paging works; 1 thing is odd.", False),
        ([ODD, GOOD, ODD], "Paging works; 2 things are odd.", False),
        ([ODD, BAD], "One thing is bad, and 1 odd: Bad.", True),
        ([BAD, GOOD], "One thing is bad: Bad.", True),
        ([GOOD, BAD, BAD], "2 things are bad, the first: Bad.", True),
    ],
)
def test_the_sentence_counts_what_is_bad_and_names_the_first(
    findings: list[Finding], sentence: str, bad: bool
) -> None:
    found = diagnosis_of(findings)
    assert (found.sentence, found.is_bad) == (sentence, bad)
    assert found.headline == ("Paging works" if not bad else sentence.partition(" bad")[0] + " bad")


def test_the_worst_stands_first_and_equals_keep_their_order() -> None:
    other = Finding("w", Grade.BAD, "Bad too.", "Mend it too.")
    assert diagnosis_of([GOOD, ODD, BAD, other]).findings == [BAD, other, ODD, GOOD]


@pytest.mark.parametrize(
    ("ahead", "grade", "words"),
    [
        (0.99, Grade.GOOD, "agrees"),
        (-0.99, Grade.GOOD, "agrees"),
        (1, Grade.ODD, "1 s ahead of"),
        (-29, Grade.ODD, "29 s behind"),
        (30, Grade.BAD, "30 s ahead of"),
        (-3600, Grade.BAD, "1 h behind"),
    ],
)
def test_a_clock_is_odd_from_1_s_and_bad_from_30_s(ahead: float, grade: Grade, words: str) -> None:
    (found,) = of_clock("first@host", timedelta(seconds=ahead))
    assert (found.grade, words in found.sentence) == (grade, True)
    assert (found.todo is None) == (grade is Grade.GOOD)


def server(**given: object) -> Server:
    whole = {
        "version": "15.1",
        "encoding": "UTF8",
        "pooled": False,
        "connections": 79,
        "most": 100,
        "size": 1_500_000,
        "clock": NOW,
    }
    return Server(**{**whole, **given})  # type: ignore[arg-type]  # as given


@pytest.mark.parametrize(("connections", "is_full"), [(79, False), (80, True), (100, True)])
def test_a_database_is_nearly_full_from_80_per_cent_of_its_connections_on(
    connections: int, is_full: bool
) -> None:
    found = of_server(server(connections=connections), NOW)
    assert [f.part for f in found if f.grade is Grade.ODD] == ["connections"] * is_full


def test_a_pooler_and_a_clock_that_differs_are_named() -> None:
    first, clock = of_server(server(pooled=True, size=999), NOW + 5 * SECOND)
    assert "PostgreSQL 15.1 answers, through a pooler: UTF8" in first.sentence
    assert "999 bytes" in first.sentence
    assert (clock.grade, "5 s ahead of" in clock.sentence) == (Grade.ODD, True)


def standing(**given: object) -> Standing:
    whole = {
        "now": NOW,
        "ran_at": NOW,
        "nodes": [Node("a@host", ("events",), NOW, NOW)],
        "due_at": None,
    }
    return Standing(**{**whole, **given})  # type: ignore[arg-type]  # as given


def found_in(one: Standing) -> dict[str, Finding]:
    readiness = readiness_of(one, Word.OK, ["events"], 5 * SECOND)
    return {f.part: f for f in of_readiness(readiness, one)}


def test_what_is_well_is_good() -> None:
    found = found_in(standing(queues=(QueueLength("events", 3, NOW - 29 * SECOND, NOW),)))
    assert {f.grade for f in found.values()} == {Grade.GOOD}
    assert found["queues"].sentence == "Each queue is consumed; 3 messages wait."


@pytest.mark.parametrize(
    ("queues", "ends"),
    [
        ((), "the queue events."),
        ((QueueLength("events", 0, None, NOW),), "the queue events; nothing waits there."),
        (
            (QueueLength("events", 1, NOW - MINUTE, NOW),),
            "the queue events; 1 message waits there.",
        ),
    ],
)
def test_a_queue_that_nobody_takes_from_is_bad_whatever_waits(
    queues: tuple[QueueLength, ...], ends: str
) -> None:
    found = found_in(standing(nodes=[], queues=queues))["queue events"]
    assert (found.grade, found.sentence.endswith(ends)) == (Grade.BAD, True), found
    assert found.todo == "Start a worker that consumes it: celery -A tasks worker -Q events"


def test_several_queues_that_nobody_takes_from_are_one_finding() -> None:
    one = standing(nodes=[], queues=(QueueLength("retries", 2, NOW, NOW),))
    readiness = readiness_of(one, Word.OK, ["events", "retries"], 5 * SECOND)
    (found,) = (f for f in of_readiness(readiness, one) if f.grade is Grade.BAD)
    assert (found.part, found.sentence) == (
        "queues",
        "Nobody takes from the queues events, retries; 2 messages wait there.",
    )
    assert found.todo is not None
    assert found.todo.endswith("-Q events,retries")


@pytest.mark.parametrize("broker", list(Word))
def test_a_broker_is_bad_where_it_does_not_answer(broker: Word) -> None:
    assert [f.grade for f in of_broker(broker)] == [Grade.BAD] * (broker is Word.UNREACHABLE)


@pytest.mark.parametrize(
    ("seconds", "grade"),
    [(29.9, None), (30, Grade.ODD), (300, Grade.ODD), (300.1, Grade.BAD)],
)
def test_a_queue_is_odd_that_was_not_empty_for_30_s_and_bad_after_5_minutes(
    seconds: float, grade: Grade | None
) -> None:
    length = QueueLength("events", 900, NOW - seconds * SECOND, NOW)
    found = found_in(standing(queues=(length,))).get("queue events")
    assert (found.grade if found else None) == grade
    if found is not None:
        assert "900 messages wait" in found.sentence


@pytest.mark.parametrize(("ago", "count"), [(60, 1), (60.1, 0)])
def test_a_queue_that_was_measured_long_ago_is_no_finding(ago: float, count: int) -> None:
    measured = NOW - ago * SECOND
    found = found_in(standing(queues=(QueueLength("events", 9, measured - MINUTE, measured),)))
    assert len([part for part in found if part == "queue events"]) == count


@pytest.mark.parametrize(
    ("ran_at", "words"),
    [(None, "has never run"), (NOW - 90 * SECOND, "has not run for 1 min 30 s")],
)
def test_a_beat_that_is_away_is_bad(ran_at: datetime | None, words: str) -> None:
    found = found_in(standing(ran_at=ran_at))["beat"]
    assert (found.grade, words in found.sentence) == (Grade.BAD, True)


@pytest.mark.parametrize(
    ("late", "grade"), [(SECOND, Grade.GOOD), (5 * MINUTE, Grade.GOOD), (6 * MINUTE, Grade.BAD)]
)
def test_deliveries_are_bad_from_5_minutes_overdue_on(late: timedelta, grade: Grade) -> None:
    assert found_in(standing(due_at=NOW - late))["deliveries"].grade is grade


def test_a_node_that_is_gone_is_named_and_the_clock_of_one_that_lives_is_compared() -> None:
    nodes = [
        Node("a@host", ("events",), NOW - MINUTE, NOW, 40 * SECOND),
        Node("b@host", ("retries",), NOW, NOW - 61 * SECOND, 40 * SECOND),
        Node("c@host", ("retries",), NOW, NOW - 60 * SECOND),
    ]
    found = of_nodes(nodes, NOW)
    assert [f.part for f in found] == ["workers", "clocks", "workers", "workers"]
    assert found[0].sentence == "a@host takes from events, for 1 min."
    assert found[1].grade is Grade.BAD
    assert found[2].sentence == "b@host, which took from retries, was last seen 1 min 1 s ago."


@pytest.mark.parametrize(
    ("ran_at", "count"), [(NOW - 5 * MINUTE, 0), (NOW - 5 * MINUTE - SECOND, 1), (None, 1)]
)
def test_a_task_of_beat_may_miss_five_runs(ran_at: datetime | None, count: int) -> None:
    assert len(of_runs({"review": ran_at}, {"review": MINUTE}, NOW)) == count


@pytest.mark.parametrize(("free", "grade"), [(5, Grade.GOOD), (4.9, Grade.ODD), (0, Grade.ODD)])
def test_a_disk_is_odd_with_less_than_5_per_cent_free(free: float, grade: Grade) -> None:
    (found,) = of_disk("/tmp", int(free * 1_000_000_000), 100_000_000_000)
    assert found.grade is grade
    assert " of 100.0 GB are free at /tmp." in found.sentence


@pytest.mark.parametrize(
    ("grade", "todo"), [(Grade.BAD, None), (Grade.ODD, None), (Grade.GOOD, "x")]
)
def test_a_finding_says_what_to_do_unless_it_is_good(grade: Grade, todo: str | None) -> None:
    with pytest.raises(ValueError, match="what to do"):
        Finding("x", grade, "So it is.", todo)


def test_no_trouble_is_no_finding() -> None:
    assert of_trouble(Trouble()) == []


def test_each_trouble_is_named_with_what_to_do() -> None:
    failing = [FailingIntegration(n, 7, 5, 4, FailureClass.CLIENT) for n in range(1, 6)]
    found = of_trouble(
        Trouble(
            outages=["eu"],
            off=[1, 2, 3, 4, 5],
            failing=failing,
            slow=[9],
            rate_limited=[
                RateLimitedIntegration(1, 7, 1000, 8 * MINUTE),
                RateLimitedIntegration(2, 7, 1, 2 * MINUTE),
            ],
            rejected={("hit.detected", "No."): 5, ("vuln", "Why."): 1},
            undecodable=1,
            set_aside=2,
            quiet=QuietFeeds(
                4, [QuietFeed(n, timedelta(hours=3), timedelta(minutes=20)) for n in (7, 8, 9)]
            ),
        )
    )
    sentences = [f.sentence for f in found]
    assert sentences == [
        "PagerDuty's region eu fails for most integrations.",
        "Disabled automatically: integrations 1, 2, 3 and 2 more; nobody is paged by them.",
        *(
            f"Integration {n} of client 7 failed 4 of 5 attempts in the last hour, mostly: PagerDuty refused the "
            "alert or its key (4xx)."
            for n in (1, 2, 3)
        ),
        "Integration 1 of client 7 has 1000 alerts that wait for the rate limit of its key, the last for 8 min.",
        "Integration 2 of client 7 has 1 alert that waits for the rate limit of its key, the last for 2 min.",
        "PagerDuty answers slowly for integration 9; these are sent one at a time.",
        "6 events rejected in the last hour, 5 of them of type hit.detected: No.",
        "1 message in the last hour could not be decoded.",
        "2 calls set aside, as workers died of it.",
        (
            "No event came of 4 clients: 7 for 3 h (at most 20 min in the week before), 8 for 3 h (at most 20 min "
            "in the week before), 9 for 3 h (at most 20 min in the week before), and 1 more."
        ),
    ]
    assert all(f.todo for f in found)


@pytest.mark.parametrize("kind", list(FailureClass))
def test_each_kind_of_failure_has_words(kind: FailureClass) -> None:
    (found,) = of_trouble(Trouble(failing=[FailingIntegration(1, 1, 1, 1, kind)]))
    assert ", mostly: " in found.sentence
