from __future__ import annotations

import pytest
from build import Bench, a_rejection, a_user_event, an_answer, an_attack, an_event

from wallarm_notify.domain.notification import State

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
        "notifications of origin card: ",
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
        "notifications of origin trigger: 0 made, but 1 rows and 0 pruned",
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
