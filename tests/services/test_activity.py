"""The activity log: each change writes what was before and after, once, in its own transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    REFUSED,
    RETENTION,
    Bench,
    FailingStore,
    a_key,
    a_rejection,
    a_trigger_draft,
    an_event,
    an_integration_draft,
    spread,
)
from meanwhile import overlapping

from wallarm_notify.domain.activity import Action, Activity, ActivityFilter, Change, ObjectType
from wallarm_notify.domain.actor import REVIEW, Role, operator
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.triggers.trigger import Threshold, TriggerChange
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.activity import export_activity, list_activity
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.replay import MOST_NAMED, SLICE
from wallarm_notify.services.resubmit_message import SET_ASIDE, UNDECODABLE
from wallarm_notify.services.rotate_secrets import rotate_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.page import Page

ANN = operator("Ann")


def last(bench: Bench) -> Change:
    return bench.activity()[-1]


def versions(bench: Bench, client_id: int = 1) -> list[int]:
    rows = bench.sql(
        "SELECT version FROM rules_versions WHERE client_id = :c ORDER BY version", c=client_id
    )
    return [row["version"] for row in rows]


def of_integration(action: Action, number: int, before: Any = None, after: Any = None) -> Change:
    return Change(action, ObjectType.INTEGRATION, 1, number, before or {}, after or {})


def of_trigger(action: Action, number: int, before: Any = None, after: Any = None) -> Change:
    return Change(action, ObjectType.TRIGGER, 1, number, before or {}, after or {})


# Integrations.


def test_the_life_of_an_integration_is_in_the_log_line_by_line(bench: Bench) -> None:
    old, new = a_key(), a_key()
    draft = an_integration_draft(name="On call", subscribe=("system",))
    number = bench.create_integration(draft, old).id
    change = IntegrationChange(name="Nights", region="eu", subscriptions=(), key=new)
    bench.update_integration(number, change)
    bench.disable_integration(number, reason="maintenance")
    bench.enable_integration(number)
    bench.delete_integration(number)
    first, second = f"…{old.reveal()[-4:]}", f"…{new.reveal()[-4:]}"
    settings = {"name": "On call", "region": "us", "key": first, "subscriptions": ["system"],
                "summary": "brief", "enabled": True, "disabled_reason": None,
                "disabled_until": None}  # fmt: skip
    changed = {"name": "Nights", "region": "eu", "key": second, "subscriptions": []}
    on = {"enabled": True, "disabled_reason": None}
    off = {"enabled": False, "disabled_reason": "maintenance"}
    assert bench.activity() == [
        of_integration(Action.CREATED, number, after=settings),
        of_integration(Action.UPDATED, number, {name: settings[name] for name in changed}, changed),
        of_integration(Action.DISABLED, number, on, off),
        of_integration(Action.ENABLED, number, off, on),
        of_integration(Action.DELETED, number, {**settings, **changed}),
    ]
    assert versions(bench) == [1, 2, 3, 4, 5]


def test_a_new_key_that_ends_like_the_old_one_is_a_change_too(bench: Bench) -> None:
    key = a_key()
    number = bench.integration(key)
    twin = type(key)("x" * 28 + key.reveal()[-4:])
    bench.update_integration(number, IntegrationChange(key=twin))
    assert last(bench) == of_integration(
        Action.UPDATED, number, {"key": twin.masked}, {"key": twin.masked}
    )


def test_a_change_says_who_in_which_role_from_where_and_when(bench: Bench) -> None:
    before = bench.value("SELECT now()")
    bench.create_integration(an_integration_draft(), a_key(), user="Ann")
    page = list_activity(
        bench.ctx, EVERY_CLIENT, Role.OPERATOR, client_id=None, cursor=None, limit=1
    )
    (line,) = page.items
    assert line.actor == ANN
    assert before < line.at < bench.value("SELECT now()")


def old_lines(bench: Bench, number: int) -> None:
    """Store so many lines of applications, a minute apart, of which the last was written now."""
    bench.sql(
        """INSERT INTO activity (at, client_id, actor, role, source, action, object_type, object_id, before, after)
           SELECT now() - (:number - n) * interval '1 minute', 1, 'Ops', 'operator', 'command_line', 'updated',
               'application', n, '{}', '{}' FROM generate_series(1, :number) n""",
        number=number,
    )


def exported(bench: Bench, clock: Callable[[], float], **wanted: Any) -> Page[Activity]:
    return export_activity(
        *(replace(bench.ctx, clock=clock), EVERY_CLIENT, Role.OPERATOR),
        client_id=None,
        cursor=None,
        limit=10_000,
        wanted=ActivityFilter(**wanted),
    )


def test_a_file_of_the_log_ends_after_2_seconds_and_says_how_far_back_it_goes(
    bench: Bench,
) -> None:
    old_lines(bench, 5000)
    passed = count()
    page = exported(bench, lambda: next(passed) * 0.6)
    assert 0 < len(page.items) < 5000
    assert page.searched_back_to == page.items[-1].at
    nothing = exported(bench, lambda: next(passed) * 0.6, user_ids=frozenset({77}))
    assert nothing.items == []
    assert nothing.searched_back_to is not None
    whole = exported(bench, lambda: 0.0)
    assert (len(whole.items), whole.searched_back_to) == (5000, None)


def test_lines_of_other_times_are_not_read_for_a_period(bench: Bench) -> None:
    old_lines(bench, 3000)
    since = bench.value("SELECT at FROM activity WHERE object_id = 10")
    until = bench.value("SELECT at FROM activity WHERE object_id = 20")
    passed = count()
    page = list_activity(
        *(replace(bench.ctx, clock=lambda: next(passed) * 0.6), EVERY_CLIENT, Role.OPERATOR),
        client_id=None,
        cursor=None,
        limit=50,
        wanted=ActivityFilter(period=Period(since, until)),
    )
    assert [line.change.object_id for line in page.items] == list(range(19, 9, -1))
    assert page.following is None


def test_what_the_failure_ratio_disables_is_logged_as_its_doing(bench: Bench) -> None:
    number = bench.integration()
    bench.attempted(number, *spread(17, REFUSED))
    assert bench.reviewed().disabled == (number,)
    (line, _) = list_activity(
        bench.ctx, EVERY_CLIENT, Role.OPERATOR, client_id=1, cursor=None, limit=10
    ).items
    reason = bench.value("SELECT disabled_reason FROM integrations")
    assert line.actor == REVIEW
    assert line.change == of_integration(
        Action.DISABLED,
        number,
        {"enabled": True, "disabled_reason": None},
        {"enabled": False, "disabled_reason": reason},
    )
    assert versions(bench) == [1, 2]


def test_a_review_that_disables_nothing_logs_nothing(bench: Bench) -> None:
    bench.integration()
    assert bench.reviewed().disabled == ()
    assert len(bench.activity()) == 1


# Triggers.


def test_the_life_of_a_trigger_is_in_the_log_line_by_line(bench: Bench) -> None:
    target = bench.integration(subscribe=())
    number = bench.create_trigger(a_trigger_draft(target, comment="why")).id
    change = TriggerChange(comment="for the night", threshold=Threshold(1, timedelta(minutes=1)))
    bench.update_trigger(number, change)
    bench.disable_trigger(number)
    bench.enable_trigger(number)
    copy_ = bench.duplicate_trigger(number).id
    bench.delete_trigger(number)
    settings = {
        "name": "Many attacks", "comment": "why", "enabled": True, "disabled_until": None,
        "condition": "attacks_exceeded", "filters": [], "threshold": {"count": 2, "period": 3600, "operator": "gt"},
        "integration_ids": [target], "severity": None, "group": "each",
    }  # fmt: skip
    changed = {
        "comment": "for the night",
        "threshold": {"count": 1, "period": 60, "operator": "gt"},
    }
    now = {**settings, **changed}
    assert bench.activity()[1:] == [
        of_trigger(Action.CREATED, number, after=settings),
        of_trigger(Action.UPDATED, number, {name: settings[name] for name in changed}, changed),
        of_trigger(Action.DISABLED, number, {"enabled": True}, {"enabled": False}),
        of_trigger(Action.ENABLED, number, {"enabled": False}, {"enabled": True}),
        of_trigger(Action.CREATED, copy_, after={**now, "name": "Copy of Many attacks"}),
        of_trigger(Action.DELETED, number, now),
    ]
    assert versions(bench) == [1, 2, 3, 4, 5, 6, 7]


def test_triggers_that_lose_a_deleted_integration_are_logged_in_the_same_version(
    bench: Bench,
) -> None:
    gone, kept = bench.integration(subscribe=()), bench.integration(subscribe=())
    shared = bench.trigger(gone, kept, condition="user_created").id
    alone = bench.trigger(gone, condition="user_created").id
    bench.trigger(kept, condition="user_created")
    before = versions(bench)
    bench.delete_integration(gone)
    deleted, first, second = bench.activity()[-3:]
    assert (deleted.action, deleted.object_id) == (Action.DELETED, gone)
    assert [first, second] == [
        of_trigger(
            Action.UPDATED, shared, {"integration_ids": [gone, kept]}, {"integration_ids": [kept]}
        ),
        of_trigger(Action.UPDATED, alone, {"integration_ids": [gone]}, {"integration_ids": []}),
    ]
    assert versions(bench) == [*before, before[-1] + 1]
    rules = bench.value("SELECT rules FROM rules_versions ORDER BY version DESC LIMIT 1")
    assert [one["id"] for one in rules["integrations"]] == [kept]
    assert [one["integration_ids"] for one in rules["triggers"]] == [[kept], [], [kept]]


# Clients and secret keys.


def test_a_clients_record_is_logged_by_the_fields_that_differ(bench: Bench) -> None:
    set_client(bench.ctx, ANN, EVERY_CLIENT, 7, name="ACME", cloud="eu")
    set_client(bench.ctx, ANN, EVERY_CLIENT, 7, name="ACME", partner_name="P")
    set_client(bench.ctx, ANN, EVERY_CLIENT, 7, name="ACME", cloud="eu", partner_name="P")
    assert bench.activity() == [
        Change(
            *(Action.UPDATED, ObjectType.CLIENT, 7, 7),
            {"name": None, "cloud": None},
            {"name": "ACME", "cloud": "eu"},
        ),
        Change(
            *(Action.UPDATED, ObjectType.CLIENT, 7, 7),
            {"partner_name": None},
            {"partner_name": "P"},
        ),
    ]
    assert versions(bench, 7) == []
    assert bench.sql("SELECT name, cloud, partner_name FROM clients") == [
        {"name": "ACME", "cloud": "eu", "partner_name": "P"}
    ]


@pytest.mark.parametrize("field", ["name", "partner_name"])
def test_a_clients_name_that_is_none_is_refused_and_no_record_is_made(
    bench: Bench, field: str
) -> None:
    named: dict[str, Any] = {field: " "}
    with pytest.raises(Refused, match=f"{field.partition('_')[0]}: give 1 to 200"):
        set_client(bench.ctx, ANN, EVERY_CLIENT, 7, **named)
    assert bench.value("SELECT count(*) FROM clients") == 0


def test_rotating_the_secrets_is_logged_with_how_many(bench: Bench) -> None:
    lost = bench.integration()
    bench.integration()
    bench.sql("UPDATE integrations SET key_token = 'x' WHERE id = :i", i=lost)
    assert rotate_secrets(bench.ctx, ANN, EVERY_CLIENT) == (2, [lost])
    assert last(bench) == Change(
        Action.ROTATED,
        ObjectType.ENCRYPTION_KEYS,
        after={"secrets": 2, "unreadable": [lost]},
    )


# Replays and re-submissions.


def skipped(bench: Bench, number: int) -> int:
    """Return an integration with so many skipped notifications."""
    integration = bench.integration(enabled=False)
    bench.ingest(*(an_event() for _ in range(number)))
    bench.enable_integration(integration)
    return integration


def test_a_replay_by_id_is_logged_once_for_each_integration_with_100_ids_at_most(
    bench: Bench,
) -> None:
    first, second = bench.integration(enabled=False), bench.integration(enabled=False)
    bench.ingest(*(an_event() for _ in range(MOST_NAMED + 1)))
    bench.enable_integration(first)
    bench.enable_integration(second)
    rows = bench.sql("SELECT id, integration_id FROM notifications ORDER BY id")
    ids = {n: [r["id"] for r in rows if r["integration_id"] == n] for n in (first, second)}
    bench.replay_notifications([*ids[first], ids[second][0], ids[second][0]])
    assert bench.activity()[-2:] == [
        of_integration(
            *(Action.REPLAYED, first),
            after={"notifications": MOST_NAMED + 1, "ids": ids[first][:MOST_NAMED]},
        ),
        of_integration(Action.REPLAYED, second, after={"notifications": 1, "ids": ids[second][:1]}),
    ]
    assert len(versions(bench)) == 4  # none for the replay


def test_a_replay_by_filter_is_logged_once_for_each_slice_with_what_was_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SLICE > 2
    monkeypatch.setattr("wallarm_notify.services.replay.SLICE", 2)
    integration = skipped(bench, 3)
    since = bench.value("SELECT min(created_at) FROM notifications")
    wanted = Wanted(integration, (State.SKIPPED,), since, None, "security_issue.detected")
    done, after = bench.replay_slice(wanted, 0)
    assert after is not None
    assert (done, bench.replay_slice(wanted, after)) == (2, (1, None))
    asked = {"state": "skipped", "since": since.isoformat(), "type": "security_issue.detected"}
    assert bench.activity()[-2:] == [
        of_integration(Action.REPLAYED, integration, after={"notifications": number, **asked})
        for number in (2, 1)
    ]
    lines = len(bench.activity())
    assert bench.replay_slice(wanted, 0) == (0, None)
    assert len(bench.activity()) == lines


def test_a_resubmitted_event_is_logged_as_its_clients(bench: Bench) -> None:
    bench.ingest(rejections=[a_rejection(client_id="?")])
    number = bench.value("SELECT id FROM rejected")
    event = an_event(client_id=7)
    bench.resubmit_event(number, event)
    assert bench.activity() == [
        Change(
            *(Action.RESUBMITTED, ObjectType.REJECTED_EVENT, 7, number),
            after={"event_id": str(event.id)},
        )
    ]


def test_resubmitted_messages_and_calls_are_logged_as_nobodys(bench: Bench) -> None:
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", "text/plain", b"x"))
    call = TriedCall(b"d" * 32, "application/json", "utf-8", "{}", b"[]")
    bench.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=timedelta(hours=1)))
    message = bench.value("SELECT id FROM undecodable")
    aside = bench.value("SELECT id FROM quarantine")
    bench.resubmit_message(UNDECODABLE, message, [an_event(), an_event()], [a_rejection()])
    bench.resubmit_message(SET_ASIDE, aside, [an_event()])
    assert bench.activity() == [
        Change(
            *(Action.RESUBMITTED, ObjectType.UNDECODABLE_MESSAGE, None, message),
            after={"events": 2, "rejected": 1},
        ),
        Change(
            *(Action.RESUBMITTED, ObjectType.SET_ASIDE_CALL, None, aside),
            after={"events": 1, "rejected": 0},
        ),
    ]


# What is not logged.


def test_what_is_rolled_back_is_not_logged(bench: Bench) -> None:
    number = bench.integration()
    bench.ingest(rejections=[a_rejection()])
    rejected = bench.value("SELECT id FROM rejected")
    twice = an_event()
    bench.ingest(twice)
    before = bench.all_rows()
    with pytest.raises(Refused, match="was taken in before"):
        bench.resubmit_event(rejected, twice)
    stumbling = copy(bench)
    away = FailingStore(bench.store, "insert_events", Unavailable("away"))
    stumbling.ctx = replace(bench.ctx, store=away)
    for change in (stumbling.disable_integration, stumbling.delete_integration):
        with pytest.raises(Unavailable):
            change(number)
    assert len(away.asked) == 2
    assert bench.all_rows() == before


def test_no_key_is_in_any_line_nor_in_any_version_of_the_rules(bench: Bench) -> None:
    keys = [a_key() for _ in range(3)]
    number = bench.integration(keys[0])
    bench.update_integration(number, IntegrationChange(key=keys[1]))
    bench.disable_integration(number)
    bench.apply_integration(number, IntegrationChange(key=keys[2], enabled=True))
    rotate_secrets(bench.ctx, ANN, EVERY_CLIENT)
    bench.delete_integration(number)
    rows = bench.all_rows()
    text = (rows["activity"] + rows["rules_versions"]).lower()
    assert len(bench.activity()) == 6
    stored = bench.sql("SELECT CAST(fingerprint_token AS text) AS t FROM installation")
    for key in keys:
        assert key.reveal().lower() not in text
        assert key.reveal()[:28].lower() not in text
        assert key.masked.lower() in text
    for row in stored:
        assert row["t"] not in text


# Changes at once.


def test_of_two_changes_at_once_the_second_is_logged_as_what_followed_the_first(
    bench: Bench,
) -> None:
    number = bench.integration(name="One")
    overlapping(
        bench,
        lambda first: first.update_integration(number, IntegrationChange(name="Two")),
        lambda: bench.update_integration(number, IntegrationChange(name="Three")),
    )
    assert [(c.before["name"], c.after["name"]) for c in bench.activity()[1:]] == [
        ("One", "Two"),
        ("Two", "Three"),
    ]


def test_of_two_who_set_the_same_at_once_one_is_logged(bench: Bench) -> None:
    number = bench.integration(name="One")
    same = IntegrationChange(name="Two")
    second = overlapping(
        bench,
        lambda first: first.update_integration(number, same),
        lambda: bench.apply_integration(number, same),
    )
    assert second.news.is_nothing
    assert len(bench.activity()) == 2
    assert versions(bench) == [1, 2]


def test_of_two_first_records_of_a_client_at_once_neither_is_lost(bench: Bench) -> None:
    overlapping(
        bench,
        lambda first: set_client(first.ctx, ANN, EVERY_CLIENT, 7, name="ACME"),
        lambda: set_client(bench.ctx, ANN, EVERY_CLIENT, 7, cloud="eu"),
    )
    assert bench.sql("SELECT name, cloud FROM clients") == [{"name": "ACME", "cloud": "eu"}]
    assert [c.after for c in bench.activity()] == [{"name": "ACME"}, {"cloud": "eu"}]


def test_each_version_of_the_rules_holds_all_changes_before_it_whoever_makes_them(
    bench: Bench,
) -> None:
    numbers = [bench.integration(name="0", subscribe=()) for _ in range(4)]

    def rename(number: int) -> None:
        for n in range(1, 6):
            bench.update_integration(number, IntegrationChange(name=str(n)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rename, numbers))
    assert versions(bench) == list(range(1, 25))
    rows = bench.sql("SELECT rules FROM rules_versions ORDER BY version")
    totals = [sum(int(i["name"]) for i in row["rules"]["integrations"]) for row in rows]
    assert totals == [0, 0, 0, *range(21)]
    assert len(bench.activity()) == 24


def test_after_many_changes_at_once_of_everything_the_version_that_stands_is_what_stands(
    bench: Bench,
) -> None:
    """Deletions take integrations off triggers that others change meanwhile."""
    kept = bench.integration(subscribe=("system",))
    doomed = [bench.integration(subscribe=("system",)) for _ in range(8)]
    triggers = [bench.trigger(kept, *doomed, condition="user_created").id for _ in range(3)]

    def delete(numbers: list[int]) -> None:
        for number in numbers:
            bench.delete_integration(number)

    def rename(trigger: int) -> None:
        for n in range(6):
            bench.update_trigger(trigger, TriggerChange(name=f"Name {n}"))

    def switch(_: int) -> None:
        for _ in range(3):
            bench.disable_integration(kept)
            bench.enable_integration(kept)

    before = versions(bench)
    with ThreadPoolExecutor(6) as pool:
        halves = pool.map(delete, (doomed[:4], doomed[4:]))
        others = [*pool.map(rename, triggers), *pool.map(switch, [0])]
        assert [*halves, *others] == [None] * 6
    assert versions(bench) == list(range(1, before[-1] + 8 + 18 + 6 + 1))
    rules = "SELECT rules FROM rules_versions ORDER BY version DESC LIMIT 1"
    standing = bench.value(rules)
    assert [one["integration_ids"] for one in standing["triggers"]] == [[kept]] * 3
    assert [one["name"] for one in standing["triggers"]] == ["Name 5"] * 3
    bench.store.transact(lambda tx: tx.raise_rules_version(1))
    assert bench.value(rules) == standing
    assert bench.ledger().findings == []


# Reading and pruning.


def test_the_log_is_listed_newest_first_page_by_page_within_a_scope(bench: Bench) -> None:
    for client in (1, 2, 1, 2, 1):
        bench.integration(client_id=client)
    rotate_secrets(bench.ctx, ANN, EVERY_CLIENT)

    def listed(cursor: int | None, limit: int, **of: Any) -> tuple[list[int], int | None]:
        asked: dict[str, Any] = {"scope": EVERY_CLIENT, "client_id": None, **of}
        page = list_activity(bench.ctx, role=Role.OPERATOR, cursor=cursor, limit=limit, **asked)
        return [line.id for line in page.items], page.following

    assert listed(None, 6) == ([6, 5, 4, 3, 2, 1], None)
    assert listed(None, 4) == ([6, 5, 4, 3], 3)
    assert listed(3, 4) == ([2, 1], None)
    assert listed(None, 10, client_id=2) == ([4, 2], None)
    assert listed(None, 10, scope=only([1])) == ([5, 3, 1], None)
    assert listed(None, 10, scope=only([1]), client_id=2) == ([], None)
    assert listed(None, 10, scope=only([])) == ([], None)


@pytest.mark.parametrize(
    ("older", "left"),
    [(timedelta(), 1), (timedelta(microseconds=1), 0)],
    ids=["exactly at the retention", "after it"],
)
def test_a_line_stays_for_the_retention_and_no_longer(
    bench: Bench, older: timedelta, left: int
) -> None:
    bench.integration()

    def work(tx: Any) -> int:
        tx._do("UPDATE activity SET at = now() - :age", age=RETENTION + older)
        return int(tx.prune_activity(RETENTION, 10))

    assert bench.store.transact(work) == 1 - left
    assert len(bench.activity()) == left


def test_a_run_of_prune_deletes_old_lines_and_keeps_the_others(bench: Bench) -> None:
    for _ in range(3):
        bench.integration()
    bench.sql("UPDATE activity SET at = now() - interval '91 days' WHERE id < 3")
    bench.prune()
    assert [row["id"] for row in bench.sql("SELECT id FROM activity")] == [3]


def test_a_replay_of_no_notifications_writes_no_line(bench: Bench) -> None:
    assert bench.replay_notifications([]) == 0
    assert bench.activity() == []
