from __future__ import annotations

import re

import pytest
from build import Bench, a_rejection, a_user_event, an_answer, an_attack, an_event

from services.test_ingest import statements
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.ledger import balance

ANN = {"user": "Ann", "reason": ""}


@pytest.fixture
def busy(bench: Bench) -> Bench:
    """A bench with one of everything: each state, attempts, rejections, what is pruned or was replayed."""
    mine = bench.integration(subscribe=("security_issue", "system"))
    off = bench.integration(enabled=False)
    pending, delivered, retrying, failed = (bench.made()[0] for _ in range(4))
    bench.sent([delivered])
    bench.sent([retrying], an_answer(500))
    for _ in range(17):
        bench.sent([failed], an_answer(404))
        bench.make_due()
    event = an_event()
    bench.ingest(event, event, an_attack(), an_event(id=str(event.id), title="Another"))
    bench.ingest(rejections=[a_rejection(), a_rejection(title="")])
    bench.disable_integration(mine, **ANN)
    bench.enable_integration(mine)
    bench.replayed(pending)
    number = bench.value("SELECT min(id) FROM rejected")
    bench.resubmit_event(number, an_event())
    bench.delete_integration(off, **ANN)
    old = bench.made()
    bench.sent(old)
    bench.ingest(a_user_event(client_id=9))
    bench.sql("UPDATE events SET received_at = now() - interval '91 days'")
    bench.sql(
        "UPDATE notifications SET finished_at = now() - interval '91 days' "
        "WHERE event_no = (SELECT event_no FROM notifications WHERE id = :i)",
        i=old[0],
    )
    bench.sql(
        """WITH old AS (UPDATE attempts SET at = at - interval '91 days'
               WHERE notification_id = ANY(CAST(:ids AS bigint[]))
               RETURNING integration_id, generation, date_trunc('minute', at + interval '91 days') AS minute)
           UPDATE health_minutes m SET attempts = attempts - 1 FROM old
           WHERE (old.integration_id, old.generation, old.minute) = (m.integration_id, m.generation, m.minute)""",
        ids=old,
    )
    bench.sql("DELETE FROM health_minutes WHERE attempts = 0")
    assert bench.prune().events >= 2
    bench.ingest(an_attack())
    bench.sent(bench.made()[:1], an_answer(500))
    return bench


def test_it_balances_after_a_bit_of_everything(busy: Bench) -> None:
    ledger = busy.ledger()
    assert ledger.findings == []
    assert ledger.balanced
    assert ledger.received == ledger.rejected + ledger.unmatched + ledger.matched
    assert ledger.rejected == 2
    assert {state for state in State if ledger.notifications[state]} == set(State)
    assert busy.ledger() == ledger
    made = busy.value("SELECT sum(value) FROM counts WHERE kind = 'made:card'")
    assert sum(ledger.notifications.values()) == made


def test_it_balances_with_nothing_at_all(bench: Bench) -> None:
    ledger = bench.ledger()
    assert (ledger.received, ledger.balanced) == (0, True)


ONE = "(SELECT min(id) FROM notifications WHERE state = '{}')"
PENDING, DELIVERED = ONE.format("pending"), ONE.format("delivered")


CORRUPTIONS = {
    "received counted too often": (
        "INSERT INTO counts VALUES ('received', 99, 1)",
        "is not rejected 2 + unmatched",
    ),
    "a rejection lost": (
        "DELETE FROM rejected WHERE resubmitted_as IS NULL",
        "rejected: 2 counted, but 0 rows and 0 pruned",
    ),
    "a pruning not counted": ("DELETE FROM counts WHERE kind = 'pruned:unmatched'", "unmatched: "),
    "an unmatched event lost": ("DELETE FROM events WHERE fan_out = 0", "unmatched: "),
    "a matched event lost": (
        "DELETE FROM events WHERE fan_out > 0",
        " counted, but 0 rows and 1 pruned",
    ),
    "its notifications left alone": (
        "DELETE FROM events WHERE fan_out > 0",
        "notifications without their event",
    ),
    "a notification lost": (
        f"DELETE FROM notifications WHERE id = {DELIVERED}",
        "delivered notifications of origin card: ",
    ),
    "an event with one too few": (
        f"DELETE FROM notifications WHERE id = {PENDING}",
        "1 events whose notifications are not as many as routing noted down",
    ),
    "an event with one too many": (
        """INSERT INTO notifications (client_id, integration_id, event_no, trigger_id, dedup_start, severity, state,
                   disablings, due_at, recheck_at)
               SELECT 1, 99, no, 0, 0, 0, 'pending', 0, now(), now() FROM events LIMIT 1""",
        "1 events whose notifications are not as many as routing noted down",
    ),
    "another origin": (
        f"UPDATE notifications SET trigger_id = 7 WHERE id = {PENDING}",
        "pending notifications of origin trigger: 0 counted, but 1 rows",
    ),
    "nobody would look": (
        f"UPDATE notifications SET recheck_at = NULL WHERE id = {PENDING}",
        "1 open notifications without recheck_at",
    ),
    "nobody looks": (
        f"UPDATE notifications SET recheck_at = now() - interval '301 s' WHERE id = {PENDING}",
        "1 open notifications overdue for 5 minutes: workers are behind, or nobody sweeps",
    ),
    "a lease nobody took over": (
        f"UPDATE notifications SET lease_until = now() - interval '301 s' WHERE id = {PENDING}",
        "1 claims whose lease ended over 5 minutes ago",
    ),
    "published after its end": (
        f"UPDATE notifications SET recheck_at = now() WHERE id = {DELIVERED}",
        "1 ended notifications that are still to be rechecked",
    ),
    "ended without an end": (
        f"UPDATE notifications SET finished_at = NULL, recheck_at = now() WHERE id = {DELIVERED}",
        "1 ended notifications that are still to be rechecked",
    ),
    "open with an end": (
        f"UPDATE notifications SET finished_at = now(), recheck_at = NULL WHERE id = {PENDING}",
        "1 ended notifications that are still to be rechecked",
    ),
    "an attempt of nothing": (
        """INSERT INTO attempts (notification_id, fence, integration_id, run, number, at, duration_ms, response)
           VALUES (4711, 1, 1, 1, 1, now(), 1, '')""",
        "1 attempts without their notification",
    ),
    "an attempt lost": (
        f"DELETE FROM attempts WHERE notification_id = {DELIVERED}",
        "1 notifications with fewer attempts recorded than made",
    ),
    "a counter lost": (
        "DELETE FROM health_minutes",
        "minutes of the last hour whose counters are not their attempts",
    ),
    "an attempt counted twice": (
        "UPDATE health_minutes SET attempts = attempts + 1",
        "minutes of the last hour whose counters are not their attempts",
    ),
    "an attempt not counted": (
        f"UPDATE attempts SET generation = 7 WHERE notification_id = {DELIVERED}",
        "minutes of the last hour whose counters are not their attempts",
    ),
}
TABLES = ("events", "notifications", "attempts", "health_minutes", "rejected", "counts")


def test_it_finds_and_names_every_corruption(busy: Bench, subtests: pytest.Subtests) -> None:
    for table in TABLES:
        busy.sql(f"CREATE TABLE sound_{table} AS TABLE {table}")
    for name, (corruption, finding) in CORRUPTIONS.items():
        with subtests.test(name):
            busy.sql(corruption)
            ledger = busy.ledger()
            assert not ledger.balanced
            assert any(finding in sentence for sentence in ledger.findings), ledger.findings
        for table in TABLES:
            busy.sql(f"DELETE FROM {table}")
            busy.sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE sound_{table}")
        assert busy.ledger().balanced


def test_what_is_merely_due_does_not_unbalance_it(busy: Bench) -> None:
    busy.sql(
        "UPDATE notifications SET recheck_at = now() - interval '299 s', "
        "lease_until = now() - interval '299 s' WHERE finished_at IS NULL"
    )
    assert busy.ledger().findings == []


# The balance of counters, and their check against rows.


def check_whole(bench: Bench) -> None:
    """Let upkeep check all rows, as if a day had passed since it began to."""
    bench.sql("UPDATE ledger_check SET began_at = began_at - interval '1 day'")
    bench.store.transact(lambda tx: tx.check_slice(1000))
    bench.store.transact(lambda tx: tx.check_slice(1000))


def test_counters_say_what_a_recount_says(busy: Bench) -> None:
    check_whole(busy)
    assert balance(busy.ctx, EVERY_CLIENT) == busy.ledger()


@pytest.mark.parametrize(
    ("corruption", "finding"),
    [
        ("DELETE FROM counts WHERE kind = 'received'", "received 0 is not rejected"),
        ("DELETE FROM counts WHERE kind = 'made:card'", "notifications of origin card: 0 made"),
        ("UPDATE counts SET value = -1 WHERE kind = 'fired'", "fired: -1 counted"),
        (
            f"UPDATE notifications SET recheck_at = NULL WHERE id = {PENDING}",
            "1 open notifications without recheck_at",
        ),
        (
            f"UPDATE notifications SET recheck_at = now() - interval '301 s' WHERE id = {PENDING}",
            "1 open notifications overdue for 5 minutes",
        ),
        (
            f"UPDATE notifications SET lease_until = now() - interval '301 s' WHERE id = {PENDING}",
            "1 claims whose lease ended over 5 minutes ago",
        ),
    ],
)
def test_the_balance_finds_what_its_counters_and_open_rows_show(
    busy: Bench, corruption: str, finding: str
) -> None:
    busy.sql(
        "INSERT INTO counts (kind, shard, value) VALUES ('fired', 0, 0) ON CONFLICT DO NOTHING"
    )
    busy.sql(corruption)
    assert any(finding in one for one in balance(busy.ctx, EVERY_CLIENT).findings)


@pytest.mark.parametrize(
    ("corruption", "finding"),
    [
        ("DELETE FROM events WHERE fan_out = 0", "events more or less than counted"),
        (
            f"DELETE FROM notifications WHERE id = {DELIVERED}",
            "1 notifications more or less than counted",
        ),
        (
            f"DELETE FROM notifications WHERE id = {PENDING}",
            "1 events whose notifications are not as many as routing noted down",
        ),
        (
            f"UPDATE notifications SET trigger_id = 7 WHERE id = {PENDING}",
            "1 notifications of a trigger without their firing",
        ),
        (
            f"UPDATE notifications SET recheck_at = now() WHERE id = {DELIVERED}",
            "1 ended notifications that are still to be rechecked",
        ),
        (
            f"DELETE FROM attempts WHERE notification_id = {DELIVERED}",
            "1 notifications with fewer attempts recorded than made",
        ),
        ("UPDATE counts SET value = value + 1 WHERE kind = 'fired'", "1 firings more or less"),
    ],
)
def test_the_check_finds_what_rows_show_and_the_balance_says_it_from_then_on(
    busy: Bench, corruption: str, finding: str
) -> None:
    busy.sql(
        "INSERT INTO counts (kind, shard, value) VALUES ('fired', 0, 0) ON CONFLICT DO NOTHING"
    )
    check_whole(busy)
    assert balance(busy.ctx, EVERY_CLIENT).findings == []
    busy.sql(corruption)
    assert balance(busy.ctx, EVERY_CLIENT).findings == []
    check_whole(busy)
    found = balance(busy.ctx, EVERY_CLIENT)
    assert any(finding in one for one in found.findings), found.findings
    assert found.checked_at is not None


def test_the_check_goes_on_slice_by_slice_and_begins_anew_after_a_day(bench: Bench) -> None:
    bench.integration()
    bench.made(5)
    at = []
    for _ in range(6):
        bench.store.transact(lambda tx: tx.check_slice(4))  # two events with their notifications
        at.append(bench.value("SELECT after_no FROM ledger_check"))
    first = bench.value("SELECT min(no) FROM events")
    assert at == [first + 1, first + 3, first + 4, None, None, None]
    bench.sql("UPDATE ledger_check SET began_at = now() + interval '1 hour'")  # set back since
    bench.store.transact(lambda tx: tx.check_slice(4))
    assert bench.value("SELECT after_no FROM ledger_check") == first + 1


def test_what_is_pruned_made_and_delivered_during_a_pass_is_no_finding(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(6)
    bench.store.transact(lambda tx: tx.check_slice(4))
    bench.sent(ids)
    bench.made(3)
    bench.sql("UPDATE events SET received_at = received_at - interval '91 days' WHERE no <= 5")
    bench.sql("UPDATE notifications SET finished_at = finished_at - interval '91 days'")
    bench.prune()
    while bench.value("SELECT after_no FROM ledger_check") is not None:
        bench.store.transact(lambda tx: tx.check_slice(4))
    ledger = balance(bench.ctx, EVERY_CLIENT)
    assert ledger.findings == []
    assert ledger.checked_at is not None


def test_the_balance_reads_open_notifications_alone(busy: Bench) -> None:
    with statements(busy) as sent:
        balance(busy.ctx, EVERY_CLIENT)
    asked = [s for s in sent if "FROM notifications" in s]
    assert asked
    with busy.engine.connect() as connection:
        # As many as a planner takes into account: with a handful of rows each index is as good as the other.
        connection.exec_driver_sql(
            """INSERT INTO notifications (client_id, integration_id, event_no, trigger_id, dedup_start, due_at,
                                          finished_at, disablings, state, severity)
               SELECT 1, 1, n, 0, n, now(), now(), 0, 'delivered', 1 FROM generate_series(1000, 20000) n"""
        )
        connection.exec_driver_sql("ANALYZE notifications")
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}").scalars())
            for statement in asked
        ]
    for plan in plans:
        assert "Seq Scan on notifications" not in plan
        assert set(re.findall(r"using (\w+) on notifications|on (ix_notifications_\w+)", plan)) <= {
            ("ix_notifications_open", ""),
            ("ix_notifications_backlog", ""),
            ("", "ix_notifications_open"),
            ("", "ix_notifications_backlog"),
        }
