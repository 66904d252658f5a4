"""The first version of each client's rules, which a migration keeps (engine 25)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from alembic import command
from build import criteria_of, eventually

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.store import Store, migrations
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from wallarm_notify.domain.rules import Rules


def first_rules(store: Store, client_id: int) -> Rules | None:
    return store.transact(lambda tx: tx.rules_of(EVERY_CLIENT, client_id, 1))


def test_rules_from_before_there_were_versions_are_the_first_version(
    empty_database: str,
) -> None:
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0010")
        connection.exec_driver_sql(
            """INSERT INTO integrations (client_id, name, region, key_fingerprint, key_last4, subscriptions, enabled,
                   disabled_at, disabled_by, disabled_reason, deleted_at)
               VALUES (1, 'On', 'us', '\\xfeed', 'LAST', '{system}', true, NULL, NULL, NULL, NULL),
                   (1, 'Off', 'eu', '\\xfeed', 'LAST', '{}', false, '2026-01-01Z', 'Ann', 'noise', NULL),
                   (3, NULL, NULL, NULL, NULL, '{}', false, NULL, NULL, NULL, now())"""
        )
        connection.exec_driver_sql(
            """INSERT INTO triggers (client_id, name, comment, enabled, condition, filters, threshold_count,
                   threshold_period, integration_ids, version, created_by, deleted_at)
               VALUES (2, 'T', '', true, 'attacks_exceeded',
                       '[{"id": "attack_type", "operator": "eq", "values": ["xss"]}]', 30, 3600, '{1}', 4, 'Ann', NULL),
                   (1, 'Gone', '', false, 'user_created', '[]', NULL, NULL, '{}', 1, 'Ann', now())"""
        )
        connection.exec_driver_sql(
            """INSERT INTO events (id, client_id, type, occurred_at, body, body_hash, fan_out)
               VALUES (gen_random_uuid(), 1, 'user.created', now(), '{}', '', 0)"""
        )
    migrations.upgrade(empty_database)
    store = Store(Unpooled(empty_database))
    client_ids = {1: False, 2: False, 3: False}
    found = store.transact(lambda tx: tx.subscribers_of(client_ids))
    assert found.rules_versions == {1: 1, 2: 1, 3: 0}
    first, second, third = (first_rules(store, client_id) for client_id in (1, 2, 3))
    assert (first and [(i.name, i.enabled, i.disabled_by) for i in first.integrations]) == [
        ("On", True, None),
        ("Off", False, "Ann"),
    ]
    assert (first and first.triggers, second and second.integrations) == ((), ())
    assert (second and [(t.name, t.criteria, t.version) for t in second.triggers]) == [
        ("T", criteria_of("attacks_exceeded", "attack_type=xss", threshold="30 in 1h"), 4)
    ]
    assert third is None
    with engine.connect() as connection:
        statement = "SELECT rules_version FROM events"
        assert connection.exec_driver_sql(statement).scalars().all() == [None]
        text = "".join(
            connection.exec_driver_sql("SELECT rules::text FROM rules_versions").scalars()
        )
    assert "feed" not in text
    assert "LAST" not in text


def test_a_change_that_is_under_way_at_the_migration_is_in_the_first_version(
    empty_database: str,
) -> None:
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0010")
        connection.exec_driver_sql(
            """INSERT INTO integrations (client_id, name, region, subscriptions, enabled)
               VALUES (1, 'A', 'us', '{system}', true)"""
        )
    with ThreadPoolExecutor(1) as pool, engine.connect() as changing, engine.connect() as looking:
        changing.exec_driver_sql("UPDATE integrations SET subscriptions = '{}'")
        upgraded = pool.submit(migrations.upgrade, empty_database)
        asked = """SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE d.datname = current_database() AND NOT granted"""
        eventually(
            lambda: upgraded.done() or looking.exec_driver_sql(asked).scalar_one(),
            within=60,
        )
        assert not upgraded.done()
        changing.commit()
        upgraded.result(30)
    first = first_rules(Store(Unpooled(empty_database)), 1)
    assert (first and [i.subscriptions for i in first.integrations]) == [()]


def test_the_first_version_is_made_by_the_migration_as_by_every_change(
    empty_database: str,
) -> None:
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0010")
        connection.exec_driver_sql(
            """INSERT INTO integrations (client_id, name, region, subscriptions, enabled, disabled_at)
               VALUES (1, 'A', 'us', '{system}', true, NULL), (1, 'B', 'eu', '{}', false, '2026-01-01Z')"""
        )
        connection.exec_driver_sql(
            """INSERT INTO triggers (client_id, name, comment, enabled, condition, filters, integration_ids, created_by)
               VALUES (1, 'T', '', true, 'user_created', '[]', '{1,2}', 'Ann')"""
        )
    migrations.upgrade(empty_database)
    Store(Unpooled(empty_database)).transact(lambda tx: tx.raise_rules_version(1))
    with engine.connect() as connection:
        statement = "SELECT rules FROM rules_versions ORDER BY version"
        one, two = connection.exec_driver_sql(statement).scalars()
    assert one == without(two, "summary", "severity", "alert_group")  # which came later


def without(rules: dict[str, list[dict[str, Any]]], *names: str) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: [{k: v for k, v in rule.items() if k not in names} for rule in kept]
        for kind, kept in rules.items()
    }
