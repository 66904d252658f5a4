from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from build import Bench, a_key, a_user_event, an_answer, an_event, an_integration_draft
from meanwhile import beside, overlapping

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import SECURITY_ISSUES, Event, Subscription
from wallarm_notify.domain.integration import IntegrationChange, SwitchedOff
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.pagerduty.event_alerts import alert_of
from wallarm_notify.schemas.read import read_event
from wallarm_notify.services.integration_listings import list_integrations
from wallarm_notify.services.sweep import sweep as run_sweep

ANN = {"user": "Ann", "reason": "a test"}


def notified(bench: Bench, event_type: str) -> list[tuple[int, bool, str]]:
    """Return who was notified of an event of this type: integration, whether by its closing, state."""
    rows = bench.sql(
        "SELECT n.integration_id, n.closing, n.state FROM notifications n "
        "JOIN events e ON e.no = n.event_no WHERE e.type = :t ORDER BY n.id",
        t=event_type,
    )
    return [(r["integration_id"], r["closing"], r["state"]) for r in rows]


def key_of(bench: Bench, integration: int) -> tuple[object, ...]:
    """Return what is stored of an integration's key."""
    (row,) = bench.sql(
        "SELECT key_token, key_fingerprint, key_last4, region FROM integrations WHERE id = :i",
        i=integration,
    )
    return tuple(row.values())


# Create and update.


def test_an_integration_is_made_with_defaults_and_its_key_is_masked_and_encrypted(
    bench: Bench,
) -> None:
    key = a_key()
    made = bench.create_integration(an_integration_draft(), key, user="Ann")
    assert re.fullmatch(r"PagerDuty integration by Ann, [A-Z][a-z]{2} \d{1,2}", made.name)
    assert (made.client_id, made.region, made.enabled, made.created_by) == (1, "us", True, "Ann")
    assert (made.disabled_at, made.disabled_by, made.warnings) == (None, None, ())
    assert made.subscriptions == SECURITY_ISSUES
    assert (made.key, made.key_last4) == (f"…{key.reveal()[-4:]}", key.reveal()[-4:])
    dump = bench.value("SELECT string_agg(i::text, '') FROM integrations i")
    token = bytes(bench.value("SELECT key_token FROM integrations"))
    assert key.reveal() not in dump
    assert key.reveal().encode() not in token
    assert key.reveal().encode().hex() not in dump


def test_none_of_the_subscriptions_is_valid_with_a_warning(bench: Bench) -> None:
    made = bench.create_integration(an_integration_draft(subscribe=()), a_key())
    (warning,) = made.warnings
    assert "it subscribes to nothing" in warning


def test_the_same_key_twice_is_allowed_with_a_warning(bench: Bench) -> None:
    key = a_key()
    first = bench.integration(key)
    second = bench.create_integration(an_integration_draft(client_id=2), key)
    (warning,) = second.warnings
    assert warning.startswith(f"integration {first} has the same key: ")
    assert key.reveal() not in warning


def test_made_disabled_it_says_since_when_by_whom_and_why(bench: Bench) -> None:
    made = bench.create_integration(an_integration_draft(enabled=False), a_key(), user="Ann")
    assert not made.enabled
    assert (made.disabled_by, made.disabled_reason) == ("Ann", "created disabled")
    assert made.disabled_at is not None


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 201, "half \udcff a pair"], ids=["none", "blank", "long", "surrogate"]
)
def test_a_name_that_is_none_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(Refused, match="name: give 1 to 200"):
        bench.create_integration(an_integration_draft(name=name), a_key())
    integration = bench.integration()
    with pytest.raises(Refused, match="name: give 1 to 200"):
        bench.update_integration(integration, IntegrationChange(name=name))


def test_an_update_sets_what_it_names_and_leaves_the_rest(bench: Bench) -> None:
    integration = bench.integration(name="Before")
    before = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    after = bench.update_integration(integration, IntegrationChange(name="x" * 200))
    assert after.name == "x" * 200
    assert before is not None
    assert after.subscriptions == before.subscriptions
    assert (after.region, after.key_last4) == (before.region, before.key_last4)


def test_setting_subscriptions_replaces_them(bench: Bench) -> None:
    integration = bench.integration()
    after = bench.update_integration(
        integration, IntegrationChange(subscriptions=(Subscription.SYSTEM,))
    )
    assert after.subscriptions == ("system",)
    none = bench.update_integration(integration, IntegrationChange(subscriptions=()))
    assert none.subscriptions == ()
    assert len(none.warnings) == 1


def test_a_new_key_is_warned_of_like_the_first(bench: Bench) -> None:
    key = a_key()
    first, second = bench.integration(key), bench.integration()
    after = bench.update_integration(second, IntegrationChange(key=key))
    assert after.key_last4 == key.reveal()[-4:]
    assert [w.split(" has")[0] for w in after.warnings] == [f"integration {first}"]
    assert bench.update_integration(second, IntegrationChange(key=a_key())).warnings == ()


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "unknown"])
def test_what_does_not_exist_cannot_be_changed(bench: Bench, *, deleted: bool) -> None:
    integration = bench.integration() if deleted else 4711
    if deleted:
        bench.delete_integration(integration, **ANN)
    for change in (
        lambda: bench.update_integration(integration, IntegrationChange(name="x")),
        lambda: bench.enable_integration(integration),
        lambda: bench.disable_integration(integration, **ANN),
        lambda: bench.delete_integration(integration, **ANN),
    ):
        with pytest.raises(NotFound, match=f"There is no integration {integration}"):
            change()


@pytest.mark.parametrize("first", ["the new key", "the rotation"])
def test_a_key_that_changes_while_secrets_are_rotated_is_the_new_one(
    bench: Bench, first: str
) -> None:
    integration = bench.integration()
    key = a_key("new")

    def change(by: Bench) -> object:
        return by.update_integration(integration, IntegrationChange(key=key))

    def rotate(by: Bench) -> object:
        return by.store.transact(lambda tx: tx.rotate_secrets())

    one, two = (change, rotate) if first == "the new key" else (rotate, change)
    overlapping(bench, one, lambda: two(bench))
    (sending,) = bench.claim(bench.made()).sendings
    assert sending.key == key


def waiting_for_a_grant(bench: Bench, number: int) -> list[int]:
    """Return so many notifications with a grant of their key reserved ten minutes from now."""
    ids = bench.made(number)
    bench.sql("UPDATE notifications SET due_at = now() + interval '10 minutes'")
    return ids


@pytest.mark.parametrize(
    "change",
    [IntegrationChange(key=a_key()), IntegrationChange(region="eu")],
    ids=["key", "region"],
)
def test_all_that_wait_for_a_grant_come_at_once_with_a_new_key_or_region_however_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: IntegrationChange
) -> None:
    monkeypatch.setattr("wallarm_notify.services.manage_integrations.DUE_SLICE", 2)
    integration = bench.integration()
    ids = waiting_for_a_grant(bench, 5)
    bench.update_integration(integration, change)
    assert len(bench.claim(ids).sendings) == 5


def test_a_new_key_shortens_no_wait_of_a_retry(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made()
    bench.sent(ids, an_answer(429, retry_after=timedelta(minutes=10)))
    before = bench.notification(ids[0])
    bench.update_integration(integration, IntegrationChange(key=a_key()))
    assert bench.notification(ids[0]) == before


def test_a_new_key_waits_for_no_claim_that_is_under_way(bench: Bench) -> None:
    integration = bench.integration()
    ids = waiting_for_a_grant(bench, 3)
    change = IntegrationChange(key=a_key())
    beside(
        bench,
        lambda tx: tx.candidates(ids[:1]),
        lambda: bench.update_integration(integration, change),
    )
    assert [s.notification.id for s in bench.claim(ids).sendings] == ids[1:]


# Disable and enable.


def test_disabling_cancels_what_waits_and_notifies_others_then_itself_last(bench: Bench) -> None:
    other = bench.integration(subscribe=("system",))
    mine = bench.integration(subscribe=("system", "security_issue"))
    off = bench.integration(subscribe=("system",), enabled=False)
    bench.integration(subscribe=("system",), client_id=2)
    bench.integration()
    waiting = bench.made()
    bench.publisher.taken()
    assert bench.disable_integration(mine, **ANN) == SwitchedOff(told=2, cancelled=1, closing=True)
    assert sorted(notified(bench, "integration.disabled")) == [
        (other, False, "pending"),
        (mine, True, "pending"),
        (off, False, "skipped"),
    ]
    messages = bench.publisher.taken()
    published = [bench.notification(i) for m in messages for i in m.ids]
    assert [(n.integration_id, n.closing) for n in published] == [(other, False), (mine, True)]
    assert [m.countdown is None for m in messages] == [True, False]
    assert sorted(bench.notification(i).state for i in waiting) == ["cancelled", "pending"]
    assert bench.ledger().findings == []


def test_disabling_waits_for_no_claim_that_is_under_way_and_leaves_that_to_sweep(
    bench: Bench,
) -> None:
    integration = bench.integration()
    ids = bench.made(3)
    done = beside(
        bench,
        lambda tx: tx.candidates(ids[:1]),
        lambda: bench.disable_integration(integration, **ANN),
    )
    assert done.cancelled == 2
    assert run_sweep(bench.ctx).cancelled == 1
    assert bench.states() == {"cancelled": 3}
    assert bench.ledger().findings == []


def test_the_event_of_a_disabling_says_which_by_whom_and_why(bench: Bench) -> None:
    integration = bench.integration(name="On call")
    bench.disable_integration(integration, **ANN)
    (body,) = bench.bodies()
    assert body["type"] == "integration.disabled"
    assert (body["integration_id"], body["integration_name"]) == (integration, "On call")
    assert (body["integration_type"], body["reason"]) == ("pager_duty", "a test")
    assert body["actor"] == {"name": "Ann"}
    event = read_event(body)
    assert isinstance(event, Event)
    line = alert_of(event).lines[0]
    assert line == f'The PagerDuty integration "On call" (ID {integration}) was disabled by Ann.'
    assert bench.ledger().received == 1


def test_disabled_it_keeps_its_settings_and_says_since_when_by_whom_and_why(bench: Bench) -> None:
    integration = bench.integration(name="On call", region="eu")
    bench.disable_integration(integration, **ANN)
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    assert shown is not None
    assert (shown.name, shown.region, shown.subscriptions) == ("On call", "eu", SECURITY_ISSUES)
    assert (shown.enabled, shown.disabled_by, shown.disabled_reason) == (False, "Ann", "a test")
    after, _ = bench.enable_integration(integration)
    assert (after.enabled, after.disabled_by, after.disabled_at) == (True, None, None)
    assert after.subscriptions == SECURITY_ISSUES


def test_without_the_subscription_nobody_is_notified(bench: Bench) -> None:
    integration = bench.integration()
    assert bench.disable_integration(integration, **ANN) == SwitchedOff(0, 0, closing=False)
    ledger = bench.ledger()
    assert (ledger.unmatched, ledger.findings) == (1, [])


def test_the_last_notification_is_sent_though_disabled_with_its_first_cycle_only(
    bench: Bench,
) -> None:
    integration = bench.integration(subscribe=("system",))
    bench.disable_integration(integration, **ANN)
    (last,) = bench.publisher.ids()
    for _ in range(6):
        bench.make_due()
        assert len(bench.sent([last], an_answer(500))) == 1
    n = bench.notification(last)
    assert (n.state, n.attempts_made) == (State.FAILED, 6)
    assert bench.ledger().findings == []


def test_what_comes_while_it_is_disabled_is_skipped_and_enabling_counts_it(bench: Bench) -> None:
    integration = bench.integration()
    bench.made(2)
    bench.disable_integration(integration, **ANN)
    assert bench.ingest(an_event(), an_event(), an_event()).skipped == 3
    after, ended = bench.enable_integration(integration)
    assert after.enabled
    assert ended.counts == {"failed": 0, "skipped": 3, "cancelled": 2}
    assert len(bench.made()) == 1


def test_switching_twice_is_refused(bench: Bench) -> None:
    integration = bench.integration()
    with pytest.raises(Refused, match="is enabled already"):
        bench.enable_integration(integration)
    bench.disable_integration(integration, **ANN)
    with pytest.raises(Refused, match="is disabled already"):
        bench.disable_integration(integration, **ANN)
    assert bench.value("SELECT count(*) FROM events") == 1


def test_a_last_notification_of_an_earlier_disabling_is_cancelled_by_the_next(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    bench.disable_integration(integration, **ANN)
    bench.enable_integration(integration)
    bench.disable_integration(integration, **ANN)
    assert notified(bench, "integration.disabled") == [
        (integration, True, "cancelled"),
        (integration, True, "pending"),
    ]
    assert bench.ledger().findings == []


def test_disabled_and_enabled_again_what_waited_before_stays_cancelled(bench: Bench) -> None:
    integration = bench.integration()
    before = bench.made()
    bench.disable_integration(integration, **ANN)
    bench.enable_integration(integration)
    after = bench.made()
    claim = bench.claim(before + after)
    assert [s.notification.id for s in claim.sendings] == after


def test_more_than_a_slice_of_waiting_ones_is_cancelled(bench: Bench) -> None:
    integration = bench.integration()
    bench.made(900)
    bench.made(300)
    assert bench.disable_integration(integration, **ANN).cancelled == 1200
    assert bench.states() == {"cancelled": 1200}


def test_two_who_disable_at_once_disable_once(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    start = threading.Barrier(4)

    def disable(_: int) -> bool:
        start.wait(10)
        try:
            bench.disable_integration(integration, **ANN)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(disable, range(4))) == 1
    assert len(notified(bench, "integration.disabled")) == 1


def test_routing_and_disabling_at_once_leave_nothing_open(bench: Bench) -> None:
    integrations = [bench.integration(subscribe=("security_issue",)) for _ in range(4)]

    def route(_: int) -> None:
        for _ in range(5):
            bench.ingest(*(an_event() for _ in range(10)))

    with ThreadPoolExecutor(4) as pool:
        routing = [pool.submit(route, n) for n in range(2)]
        for integration in integrations:
            pool.submit(bench.disable_integration, integration, **ANN).result()
        for one in routing:
            one.result()
    bench.sql("DELETE FROM upkeep_runs")
    run_sweep(bench.ctx)
    assert set(bench.states()) <= {"cancelled", "skipped"}
    assert bench.ledger().findings == []


# Delete.


def test_deleting_an_enabled_one_notifies_it_last_and_wipes_its_key_when_that_has_ended(
    bench: Bench,
) -> None:
    other = bench.integration(subscribe=("system",))
    mine = bench.integration(subscribe=("system", "security_issue"))
    bench.made()
    bench.publisher.taken()
    assert bench.delete_integration(mine, **ANN) == SwitchedOff(told=2, cancelled=1, closing=True)
    assert notified(bench, "integration.deleted") == [
        (other, False, "pending"),
        (mine, True, "pending"),
    ]
    ids = bench.publisher.ids()
    assert all(key_of(bench, mine))
    bench.make_due()
    assert len(bench.sent(ids)) == 2
    assert key_of(bench, mine) == (None, None, None, None)
    assert all(key_of(bench, other))
    assert bench.ledger().findings == []


def test_deleted_without_a_last_notification_its_key_is_wiped_at_once(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made()
    bench.delete_integration(integration, **ANN)
    assert key_of(bench, integration) == (None, None, None, None)
    (row,) = bench.sql("SELECT name, subscriptions, created_by, disabled_by FROM integrations")
    assert row == {"name": None, "subscriptions": [], "created_by": None, "disabled_by": None}
    assert bench.claim(ids).sendings == ()
    assert bench.states() == {"cancelled": 1}
    assert list(list_integrations(bench.ctx, EVERY_CLIENT, limit=10).items) == []
    assert bench.ledger().findings == []


def test_deleted_after_disabling_its_key_stays_until_the_last_notification_ended(
    bench: Bench,
) -> None:
    other = bench.integration(subscribe=("system",))
    mine = bench.integration(subscribe=("system",))
    bench.disable_integration(mine, **ANN)
    bench.publisher.taken()
    assert bench.delete_integration(mine, **ANN) == SwitchedOff(told=1, cancelled=0, closing=False)
    assert notified(bench, "integration.disabled") == [
        (other, False, "pending"),
        (mine, True, "pending"),
    ]
    assert notified(bench, "integration.deleted") == [(other, False, "pending")]
    (last,) = (r["id"] for r in bench.sql("SELECT id FROM notifications WHERE closing"))
    bench.sent([last], an_answer(500))
    assert all(key_of(bench, mine))
    bench.make_due()
    bench.sent([last])
    assert key_of(bench, mine) == (None, None, None, None)
    assert bench.ledger().findings == []


def test_sweep_wipes_the_key_where_the_worker_died_before_it_could(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    bench.delete_integration(integration, **ANN)
    bench.sql("UPDATE notifications SET state='failed', finished_at=now(), recheck_at=NULL")
    run_sweep(bench.ctx)
    assert key_of(bench, integration) == (None, None, None, None)


def test_a_deleted_integration_matches_nothing_and_its_key_warns_nobody(bench: Bench) -> None:
    key = a_key()
    integration = bench.integration(key, subscribe=("system",))
    bench.delete_integration(integration, **ANN)
    assert bench.ingest(a_user_event()).unmatched == 1
    assert bench.create_integration(an_integration_draft(), key).warnings == ()


def test_a_client_is_known_without_a_record_and_each_field_is_set_alone(bench: Bench) -> None:
    assert bench.store.transact(lambda tx: tx.client(1)) == (None, None, None)
    bench.store.transact(lambda tx: tx.set_client(1, name="ACME", cloud=None, partner_name=None))
    bench.store.transact(lambda tx: tx.set_client(1, name=None, cloud="eu", partner_name="P"))
    assert bench.store.transact(lambda tx: tx.client(1)) == ("ACME", "eu", "P")
