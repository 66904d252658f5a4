"""Versions of a client's rules: what is kept of them, who reads it, and for how long (engine 25)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import RETENTION, Bench, a_key, an_attack
from meanwhile import beside, overlapping

from services.test_ingest import statements
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.services.prune import SLICE
from wallarm_notify.services.rules import rules_at
from wallarm_notify.store.rules import MARGIN

if TYPE_CHECKING:
    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.domain.triggers.trigger import Trigger

TICK = timedelta(microseconds=1)


def raised(bench: Bench, client_id: int = 1) -> int:
    """Keep a client's rules as they are; return the version."""
    bench.store.transact(lambda tx: tx.raise_rules_version(client_id))
    number: int = bench.value(
        "SELECT max(version) FROM rules_versions WHERE client_id = :id", id=client_id
    )
    return number


def standing(bench: Bench, number: int, client_id: int = 1) -> Rules:
    return rules_at(bench.ctx, EVERY_CLIENT, client_id, number)


def shown(bench: Bench, integration_id: int) -> Integration:
    found = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration_id))
    assert found is not None
    return found


def rule_of(shown: Integration) -> IntegrationRule:
    return IntegrationRule(
        id=shown.id,
        name=shown.name,
        region=shown.region,
        subscriptions=tuple(shown.subscriptions),
        enabled=shown.enabled,
        disabled_at=shown.disabled_at,
        disabled_by=shown.disabled_by,
        disabled_reason=shown.disabled_reason,
        summary=shown.summary,
    )


def trigger_rule_of(trigger: Trigger) -> TriggerRule:
    return TriggerRule(
        id=trigger.id,
        name=trigger.name,
        enabled=trigger.enabled,
        criteria=trigger.criteria,
        integration_ids=trigger.integration_ids,
        version=trigger.version,
        chosen_severity=trigger.chosen_severity,
        group=trigger.group,
    )


# Kept and read.


def test_what_is_kept_is_what_stood_whatever_becomes_of_it(bench: Bench) -> None:
    on = bench.integration(region="eu", subscribe=("system", "security_issue"))
    off = bench.integration(name="Night «shift»", subscribe=())
    bench.disable_integration(off, user="Ann", reason="it is noisy")
    each = bench.trigger(on, off, condition="user_created", name="Users")
    counted = bench.trigger(
        on,
        filters=["attack_type=xss,sqli", "attack_type!=rce"],
        threshold="30 in 90s",
        enabled=False,
    )
    bench.integration(client_id=2)
    before = [shown(bench, i) for i in (on, off)]
    number = raised(bench)
    bench.delete_integration(off, user="Ann", reason="")
    bench.sql("UPDATE triggers SET filters = '[]', deleted_at = now()")
    after = raised(bench)
    kept = standing(bench, number)
    assert kept.integrations == tuple(map(rule_of, before))
    assert kept.triggers == (trigger_rule_of(each), trigger_rule_of(counted))
    assert (kept.version, kept.until) == (number, standing(bench, number + 1).since)
    left = standing(bench, after)
    assert [i.id for i in left.integrations] == [on]
    assert (left.triggers, left.until) == ((), None)


def test_a_version_begins_when_the_one_before_it_ends_and_one_stands(bench: Bench) -> None:
    began = bench.value("SELECT clock_timestamp()")
    last = [raised(bench) for _ in range(4)][-1]
    versions = [standing(bench, number) for number in range(1, last + 1)]
    moments = [v.since for v in versions]
    assert moments == sorted(set(moments), key=str)
    assert isinstance(moments[0], datetime)
    assert began < moments[0]
    assert [v.until for v in versions] == [*moments[1:], None]


def test_every_client_has_versions_of_its_own(bench: Bench) -> None:
    mine, other = bench.integration(client_id=1), bench.integration(client_id=2)
    numbers = raised(bench, 1), raised(bench, 2)
    assert [i.id for i in standing(bench, numbers[0], 1).integrations] == [mine]
    assert [i.id for i in standing(bench, numbers[1], 2).integrations] == [other]


def test_no_version_holds_a_key_or_what_a_key_is_known_by(bench: Bench) -> None:
    key = a_key("Key")
    integration = bench.integration(key)
    bench.trigger(integration, threshold="0 in 1h")
    raised(bench)
    (row,) = bench.sql("SELECT key_fingerprint, key_token, key_last4 FROM integrations")
    text = bench.value("SELECT string_agg(rules::text, ' ') FROM rules_versions")
    assert f'"id": {integration}' in text
    secrets = (
        key.reveal(),
        bytes(row["key_fingerprint"]).hex(),
        bytes(row["key_token"]).decode(),
        f'"{row["key_last4"]}"',
    )
    assert [s for s in secrets if s.lower() in text.lower()] == []
    assert "key" not in text.lower()


def test_version_0_is_of_a_client_that_never_had_rules(bench: Bench) -> None:
    assert standing(bench, 0, 77) == Rules(0)
    assert Rules(0).since is None


@pytest.mark.parametrize(
    ("scope", "client_id", "is_there"),
    [
        (EVERY_CLIENT, 1, True),
        (only([1, 2]), 1, True),
        (only([2]), 1, False),
        (only([]), 1, False),
        (EVERY_CLIENT, 3, False),
    ],
)
def test_what_is_out_of_scope_and_what_is_not_there_are_refused_alike(
    bench: Bench, scope: Scope, client_id: int, *, is_there: bool
) -> None:
    bench.integration()
    number = raised(bench)
    if is_there:
        assert rules_at(bench.ctx, scope, client_id, number).version == number
        return
    with pytest.raises(NotFound) as caught:
        rules_at(bench.ctx, scope, client_id, number)
    assert str(caught.value) == f"There is no version {number} of the rules of client {client_id}."


def test_version_0_of_a_client_out_of_scope_is_not_there(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no version 0 of the rules of client 1"):
        rules_at(bench.ctx, only([2]), 1, 0)


@pytest.mark.parametrize("number", [-1, 2_000_000_000])
def test_a_version_that_never_was_is_not_there(bench: Bench, number: int) -> None:
    raised(bench)
    with pytest.raises(NotFound):
        standing(bench, number)


# Two at once.


def test_of_two_changes_at_once_the_later_version_holds_both(bench: Bench) -> None:
    integration, trigger = bench.integration(), bench.trigger(threshold="0 in 1h")
    before = raised(bench)

    def first(held: Bench) -> None:
        def work(tx: Any) -> None:
            tx._do("UPDATE integrations SET name = 'A' WHERE id = :id", id=integration)
            tx.raise_rules_version(1)

        held.store.transact(work)

    def second() -> None:
        def work(tx: Any) -> None:
            tx._do("UPDATE triggers SET name = 'B' WHERE id = :id", id=trigger.id)
            tx.raise_rules_version(1)

        bench.store.transact(work)

    overlapping(bench, first, second)
    one, two = standing(bench, before + 1), standing(bench, before + 2)
    assert {"A"} == {i.name for r in (one, two) for i in r.integrations if i.id == integration}
    assert [r.triggers[0].name for r in (one, two)] == [trigger.name, "B"]


def test_changes_of_two_clients_do_not_wait_for_each_other(bench: Bench) -> None:
    beside(bench, lambda tx: tx.raise_rules_version(1), lambda: raised(bench, 2))
    assert bench.sql("SELECT client_id, version FROM rules_versions ORDER BY 1") == [
        {"client_id": 1, "version": 1},
        {"client_id": 2, "version": 1},
    ]


def test_many_changes_at_once_get_numbers_without_a_gap(bench: Bench) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: raised(bench), range(20)))
    versions = bench.sql("SELECT version, until FROM rules_versions ORDER BY version")
    assert [row["version"] for row in versions] == list(range(1, 21))
    assert [row["version"] for row in versions if row["until"] is None] == [20]


# How long they are kept.


def pruned(
    bench: Bench, ended: timedelta, *, oldest: timedelta | None = None, limit: int = 10
) -> int:
    """Prune the first of two versions, which ``ended`` so long ago; return how many went."""
    raised(bench)
    raised(bench)
    if oldest is not None:
        bench.ingest(an_attack())

    def work(tx: Any) -> int:
        tx._do("UPDATE rules_versions SET until = now() - :ago WHERE until IS NOT NULL", ago=ended)
        if oldest is not None:
            tx._do("UPDATE events SET received_at = now() - :ago", ago=oldest)
        number: int = tx.prune_rules(RETENTION, limit)
        return number

    return bench.store.transact(work)


@pytest.mark.parametrize(("beyond", "goes"), [(timedelta(0), 0), (TICK, 1)])
def test_a_version_goes_once_it_ended_before_the_retention(
    bench: Bench, beyond: timedelta, goes: int
) -> None:
    assert pruned(bench, RETENTION + beyond) == goes


@pytest.mark.parametrize(("beyond", "goes"), [(timedelta(0), 0), (TICK, 1)])
def test_a_version_stays_while_there_is_an_event_that_may_have_been_routed_by_it(
    bench: Bench, beyond: timedelta, goes: int
) -> None:
    ended = 3 * RETENTION
    assert pruned(bench, ended + beyond, oldest=ended - MARGIN) == goes


@pytest.mark.parametrize(("beyond", "goes"), [(timedelta(0), 0), (TICK, 1)])
def test_a_recent_event_keeps_no_version_that_ended_before_the_retention(
    bench: Bench, beyond: timedelta, goes: int
) -> None:
    assert pruned(bench, RETENTION + beyond, oldest=timedelta(0)) == goes


def test_the_version_that_stands_is_kept_however_old_it_is(bench: Bench) -> None:
    number = raised(bench)
    bench.sql("UPDATE rules_versions SET since = now() - interval '20 years'")
    bench.prune()
    assert standing(bench, number).version == number


def test_prune_deletes_versions_in_slices_the_oldest_first(bench: Bench) -> None:
    for _ in range(4):
        raised(bench)
    bench.sql("UPDATE rules_versions SET until = until - :ago", ago=2 * RETENTION)
    assert bench.store.transact(lambda tx: tx.prune_rules(RETENTION, 2)) == 2
    left = bench.sql("SELECT version FROM rules_versions ORDER BY version")
    assert [row["version"] for row in left] == [3, 4]
    assert bench.store.transact(lambda tx: tx.prune_rules(RETENTION, 2)) == 1


def test_a_run_of_prune_deletes_more_than_a_slice(bench: Bench) -> None:
    bench.sql(
        """INSERT INTO rules_versions (client_id, version, since, until, rules)
           SELECT 1, n, now(), now() - interval '1 year', '{}' FROM generate_series(1, :number) n""",
        number=SLICE + 1,
    )
    bench.prune(timedelta(minutes=1))
    assert bench.value("SELECT count(*) FROM rules_versions") == 0


def test_the_next_number_goes_on_when_older_versions_have_gone(bench: Bench) -> None:
    assert pruned(bench, RETENTION + TICK) == 1
    assert raised(bench) == 3


def test_prune_looks_at_no_version_that_stays(bench: Bench) -> None:
    """Its plan reads by the time a version ended, whatever the number of clients and of events."""
    bench.sql(
        """INSERT INTO rules_versions (client_id, version, since, until, rules)
           SELECT c, v, now() - interval '1 year', CASE WHEN v = 1 THEN now() END, '{}'
           FROM generate_series(1, 2000) c, generate_series(1, 2) v"""
    )
    bench.sql("ANALYZE rules_versions")
    with statements(bench) as sent:
        bench.store.transact(lambda tx: tx.prune_rules(RETENTION, SLICE))
    (asked,) = sent
    with bench.engine.connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {asked}").scalars())
    assert "ix_rules_versions_until" in plan
    assert "ix_events_received_at" in plan
