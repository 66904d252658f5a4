"""Managing triggers: who is notified of a change, what starts afresh, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from build import Bench, a_trigger_draft, an_event_for, criteria_of, eventually
from meanwhile import overlapping

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import Threshold, TriggerChange

ANN = {"user": "Ann"}


def announced(bench: Bench) -> list[dict[str, Any]]:
    """Return the events of triggers so far, the oldest first, without what every event has."""
    return [
        {k: v for k, v in body.items() if k not in ("id", "client_id", "occurred_at")}
        for body in bench.bodies("trigger.%")
    ]


def test_a_new_trigger_is_announced_to_subscribers_of_rules_and_triggers(bench: Bench) -> None:
    watcher = bench.integration(subscribe=("rules_and_triggers",))
    bench.integration(subscribe=("rules_and_triggers",), client_id=2)
    target = bench.integration(subscribe=("system",))
    made = bench.create_trigger(a_trigger_draft(target, name=None), user="Ann")
    assert made.name.startswith("New trigger by Ann, 20")
    assert (made.enabled, made.version, made.integration_ids) == (True, 1, (target,))
    assert bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, made.id)) == made
    assert announced(bench) == [
        {
            "type": "trigger.created",
            "trigger_id": made.id,
            "name": made.name,
            "template_id": "attacks_exceeded",
            "actor": {"name": "Ann"},
        }
    ]
    (row,) = bench.sql("SELECT id, integration_id, trigger_id FROM notifications")
    assert (row["integration_id"], row["trigger_id"]) == (watcher, 0)
    assert bench.publisher.ids() == [row["id"]]
    assert bench.ledger().findings == []


def test_every_change_is_announced_with_what_was_before_and_after(bench: Bench) -> None:
    trigger = bench.trigger(threshold="2 in 1h")
    other = bench.integration(subscribe=())
    bench.update_trigger(
        trigger.id,
        TriggerChange(
            name="Fewer",
            filters=criteria_of("attacks_exceeded", "pool=3", threshold="1 in 1s").filters,
            threshold=Threshold(1, timedelta(minutes=1)),
            integration_ids=(other, other),
        ),
        **ANN,
    )
    bench.disable_trigger(trigger.id, **ANN)
    bench.enable_trigger(trigger.id, **ANN)
    copy = bench.duplicate_trigger(trigger.id, **ANN)
    bench.delete_trigger(trigger.id, **ANN)
    events = announced(bench)[1:]
    assert [e["type"].partition(".")[2] for e in events] == [
        "updated",
        "updated",
        "updated",
        "created",
        "deleted",
    ]
    assert [e["trigger_id"] for e in events] == [trigger.id] * 3 + [copy.id, trigger.id]
    assert events[0]["changes"] == {
        "name": {"before": "Many attacks", "after": "Fewer"},
        "filters": {"before": [], "after": [{"id": "pool", "operator": "eq", "values": [3]}]},
        "threshold": {
            "before": {"count": 2, "period": 3600, "operator": "gt"},
            "after": {"count": 1, "period": 60, "operator": "gt"},
        },
        "integration_ids": {"before": list(trigger.integration_ids), "after": [other]},
    }
    assert events[1]["changes"] == {"enabled": {"before": True, "after": False}}
    assert events[2]["changes"] == {"enabled": {"before": False, "after": True}}
    assert bench.ledger().findings == []


def test_a_comments_text_is_not_announced(bench: Bench) -> None:
    trigger = bench.trigger(threshold="2 in 1h")
    changed = bench.update_trigger(
        trigger.id, TriggerChange(comment="between us", name="Other"), **ANN
    )
    assert changed.comment == "between us"
    assert announced(bench)[1]["changes"] == {
        "comment": {},
        "name": {"before": "Many attacks", "after": "Other"},
    }


def test_an_update_that_changes_nothing_is_announced_to_nobody(bench: Bench) -> None:
    trigger = bench.trigger(threshold="2 in 1h")
    same = TriggerChange(name=trigger.name, threshold=trigger.criteria.threshold)
    assert bench.update_trigger(trigger.id, same, **ANN) == trigger
    assert len(announced(bench)) == 1


@pytest.mark.parametrize(
    ("change", "afresh"),
    [
        (TriggerChange(name="x", comment="y"), False),
        (TriggerChange(threshold=Threshold(2, timedelta(hours=2))), True),
        (
            TriggerChange(
                filters=criteria_of("attacks_exceeded", "pool=3", threshold="1 in 1s").filters
            ),
            True,
        ),
        (TriggerChange(condition=Condition.HITS_EXCEEDED), True),
        (TriggerChange(condition=Condition.USER_CREATED), True),
    ],
)
def test_other_criteria_are_another_version(
    bench: Bench, change: TriggerChange, *, afresh: bool
) -> None:
    trigger = bench.trigger(threshold="2 in 1h")
    changed = bench.update_trigger(trigger.id, change, **ANN)
    assert changed.version == 1 + afresh
    assert changed == bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, trigger.id))


def test_a_condition_that_has_no_threshold_drops_it_and_the_other_way_needs_one(
    bench: Bench,
) -> None:
    trigger = bench.trigger(threshold="2 in 1h")
    to_users = TriggerChange(condition=Condition.USER_CREATED)
    assert bench.update_trigger(trigger.id, to_users, **ANN).criteria.threshold is None
    back = TriggerChange(condition=Condition.ATTACKS_EXCEEDED)
    with pytest.raises(Refused, match="threshold: attacks_exceeded needs one"):
        bench.update_trigger(trigger.id, back, **ANN)


def test_a_condition_that_does_not_take_the_filters_is_refused(bench: Bench) -> None:
    trigger = bench.trigger(filters=["target=server"], threshold="2 in 1h")
    with pytest.raises(Refused, match="filter: hits_exceeded takes no «target»"):
        bench.update_trigger(trigger.id, TriggerChange(condition=Condition.HITS_EXCEEDED), **ANN)


def test_a_copy_is_the_same_and_counts_for_itself(bench: Bench) -> None:
    trigger = bench.trigger(filters=["pool!=3"], threshold="1 in 1h", comment="why")
    bench.ingest(an_event_for("attacks_exceeded"))
    copy = bench.duplicate_trigger(trigger.id, **ANN)
    assert copy.name == "Copy of Many attacks"
    same = replace(
        copy,
        id=trigger.id,
        name=trigger.name,
        created_at=trigger.created_at,
        created_by=trigger.created_by,
    )
    assert same == trigger
    assert bench.ingest(an_event_for("attacks_exceeded")).fired == 1
    assert bench.firings(copy) == []


def test_a_deleted_trigger_is_gone_and_what_it_fired_is_sent(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    pending = bench.ingest(an_event_for("attacks_exceeded")).pending
    bench.delete_trigger(trigger.id, **ANN)
    for act in (bench.enable_trigger, bench.disable_trigger, bench.delete_trigger):
        with pytest.raises(NotFound, match=f"There is no trigger {trigger.id}"):
            act(trigger.id, **ANN)
    (attempt,) = bench.sent(n.id for n in pending)
    assert attempt.number == 1
    assert bench.states() == {"delivered": 1}


@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_so_already_is_refused(bench: Bench, *, enabled: bool) -> None:
    trigger = bench.trigger(threshold="0 in 1h", enabled=enabled)
    act = bench.enable_trigger if enabled else bench.disable_trigger
    word = "enabled" if enabled else "disabled"
    with pytest.raises(Refused, match=f"Trigger {trigger.id} is {word} already"):
        act(trigger.id, **ANN)


def test_integrations_must_be_there_and_the_clients_own(bench: Bench) -> None:
    mine, others = bench.integration(), bench.integration(client_id=2)
    trigger = bench.trigger(mine, threshold="0 in 1h")
    for ids, sentence in (
        ((), "a trigger notifies one integration or more"),
        ((mine, 4711), "there is no integration 4711"),
        ((mine, others), f"integration: {others} belongs to another client; .* here 1"),
        (tuple(range(1, 102)), "at most 100"),
    ):
        with pytest.raises(Refused, match=sentence):
            bench.create_trigger(a_trigger_draft(*ids))
        with pytest.raises(Refused, match=sentence):
            bench.update_trigger(trigger.id, TriggerChange(integration_ids=ids), **ANN)


def test_a_client_has_at_most_200_triggers(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    bench.trigger(client_id=2, threshold="0 in 1h")
    bench.sql(
        """INSERT INTO triggers (client_id, name, comment, enabled, condition, filters, integration_ids, created_by)
           SELECT 1, 'x', '', true, 'user_created', '[]', '{}', 'x' FROM generate_series(1, 198)"""
    )
    last = bench.duplicate_trigger(trigger.id, **ANN)
    with pytest.raises(Refused, match="Client 1 has 200 triggers, which is the most"):
        bench.duplicate_trigger(trigger.id, **ANN)
    with pytest.raises(Refused, match="Client 1 has 200 triggers, which is the most"):
        bench.create_trigger(a_trigger_draft(*trigger.integration_ids))
    bench.delete_trigger(last.id, **ANN)
    bench.duplicate_trigger(trigger.id, **ANN)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": " "}, "name: give 1 to 200"),
        ({"name": "x" * 201}, "name: give 1 to 200"),
        ({"comment": "a\x00b"}, "comment: give at most 500"),
    ],
)
def test_names_and_comments_are_short_and_printable(
    bench: Bench, fields: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        bench.create_trigger(a_trigger_draft(bench.integration(), **fields))


def test_a_deleted_integration_is_taken_off_triggers_and_others_are_notified(bench: Bench) -> None:
    gone = bench.integration(subscribe=("rules_and_triggers", "system"))
    kept = bench.integration(subscribe=("rules_and_triggers",))
    shared = bench.trigger(gone, kept, threshold="0 in 1h")
    alone = bench.trigger(gone, threshold="0 in 1h")
    bench.trigger(kept, threshold="0 in 1h")
    bench.publisher.taken()
    done = bench.delete_integration(gone, user="Ann", reason="")
    assert dict(done.triggers) == {shared.id: True, alone.id: False}
    assert done.told == 1
    rows = bench.sql("SELECT id, integration_ids, version FROM triggers ORDER BY id")
    assert [(r["integration_ids"], r["version"]) for r in rows] == [
        ([kept], 1),
        ([], 1),
        ([kept], 1),
    ]
    changes = {e["trigger_id"]: e["changes"]["integration_ids"] for e in announced(bench)[-2:]}
    assert changes == {
        shared.id: {"before": [gone, kept], "after": [kept]},
        alone.id: {"before": [gone], "after": []},
    }
    rows = bench.sql(
        """SELECT n.integration_id, e.type FROM notifications n JOIN events e ON e.no = n.event_no
           WHERE e.type <> 'trigger.created' ORDER BY 1, 2"""
    )
    assert [(r["integration_id"], r["type"]) for r in rows] == [
        (gone, "integration.deleted"),
        (kept, "trigger.updated"),
        (kept, "trigger.updated"),
    ]
    assert bench.ledger().findings == []


def test_a_trigger_cannot_be_given_an_integration_that_is_just_deleted(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    with ThreadPoolExecutor(1) as pool, bench.engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT FROM integrations WHERE id = {integration} FOR UPDATE")
        connection.exec_driver_sql(
            f"UPDATE integrations SET deleted_at = now() WHERE id = {integration}"
        )
        creating = pool.submit(bench.create_trigger, a_trigger_draft(integration))
        eventually(lambda: bench.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        connection.commit()
        with pytest.raises(Refused, match=f"there is no integration {integration}"):
            creating.result(10)


def test_an_integration_deleted_while_a_trigger_is_made_is_taken_off_it(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    with ThreadPoolExecutor(1) as pool, bench.engine.connect() as connection:
        connection.exec_driver_sql(
            f"SELECT FROM integrations WHERE id = {integration} FOR KEY SHARE"
        )
        connection.exec_driver_sql(
            f"""INSERT INTO triggers (client_id, name, comment, enabled, condition, filters, integration_ids,
                created_by) VALUES (1, 'x', '', true, 'user_created', '[]', '{{{integration}}}', 'x')"""
        )
        deleting = pool.submit(bench.delete_integration, integration, user="Ann", reason="")
        eventually(lambda: bench.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        connection.commit()
        assert list(deleting.result(10).triggers.values()) == [False]


def test_of_two_changes_at_once_neither_undoes_the_other(bench: Bench) -> None:
    trigger = bench.trigger(condition="user_created")
    overlapping(
        bench,
        lambda first: first.update_trigger(trigger.id, TriggerChange(name="Another"), **ANN),
        lambda: bench.update_trigger(trigger.id, TriggerChange(comment="For the night"), **ANN),
    )
    after = bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, trigger.id))
    assert after is not None
    assert (after.name, after.comment) == ("Another", "For the night")


def test_a_change_while_an_integration_is_deleted_does_not_bring_it_back(bench: Bench) -> None:
    gone, stays = bench.integration(subscribe=()), bench.integration(subscribe=())
    trigger = bench.trigger(gone, stays, condition="user_created")
    overlapping(
        bench,
        lambda first: first.delete_integration(gone, user="Ann", reason=""),
        lambda: bench.update_trigger(trigger.id, TriggerChange(name="Another"), **ANN),
    )
    after = bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, trigger.id))
    assert after is not None
    assert (after.name, after.integration_ids) == ("Another", (stays,))


def test_an_integration_that_a_change_has_just_taken_off_is_not_taken_off_again(
    bench: Bench,
) -> None:
    gone, stays = bench.integration(subscribe=()), bench.integration(subscribe=())
    trigger = bench.trigger(gone, stays, condition="user_created")
    change = TriggerChange(integration_ids=(stays,))
    done = overlapping(
        bench,
        lambda first: first.update_trigger(trigger.id, change, **ANN),
        lambda: bench.delete_integration(gone, user="Ann", reason=""),
    )
    assert done.triggers == {}
    assert bench.value("SELECT count(*) FROM events WHERE type = 'trigger.updated'") == 1
    assert bench.ledger().findings == []


def test_what_deleted_triggers_leave_and_old_cells_are_pruned(bench: Bench) -> None:
    gone = bench.trigger(condition="rogue_api_detected")
    kept = bench.trigger(gone.integration_ids[0], condition="rogue_api_detected")
    counting = bench.trigger(threshold="9 in 1h")
    bench.ingest(
        *(an_event_for("rogue_api_detected", path=f"/{n}") for n in range(3)),
        *(an_event_for("attacks_exceeded") for _ in range(3)),
    )
    bench.delete_trigger(gone.id, **ANN)
    bench.prune()
    assert bench.value("SELECT count(*) FROM rogue_endpoints") == 3
    assert bench.value("SELECT count(*) FROM trigger_cells") >= 1
    assert bench.value("SELECT count(*) FROM triggers") == 3
    bench.sql("UPDATE trigger_cells SET expires_at = now() - interval '1 second'")
    bench.sql(
        "UPDATE triggers SET deleted_at = now() - interval '2 hours' WHERE id = :i", i=gone.id
    )
    bench.prune()
    assert bench.value("SELECT count(*) FROM trigger_cells") == 0
    rows = bench.sql("SELECT id FROM triggers ORDER BY id")
    assert [row["id"] for row in rows] == [kept.id, counting.id]


def test_firings_are_pruned_with_their_event_and_the_figures_balance(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    bench.sent(n.id for n in bench.ingest(an_event_for("attacks_exceeded")).pending)
    before = bench.ledger()
    bench.sql("UPDATE events SET received_at = received_at - interval '91 days'")
    bench.sql("UPDATE notifications SET finished_at = finished_at - interval '91 days'")
    bench.sql("UPDATE attempts SET at = at - interval '91 days'")
    bench.sql("DELETE FROM health_minutes")
    bench.prune()
    assert bench.firings(trigger) == []
    assert replace(bench.ledger(), checked_at=None) == before
    assert before.findings == []


def test_the_ledger_finds_firings_that_are_missing(bench: Bench) -> None:
    bench.trigger(threshold="0 in 1h")
    bench.ingest(an_event_for("attacks_exceeded"))
    bench.sql("DELETE FROM firings")
    assert bench.ledger().findings == [
        "fired: 1 counted, but 0 rows and 0 pruned",
        "1 notifications of a trigger without their firing",
    ]
