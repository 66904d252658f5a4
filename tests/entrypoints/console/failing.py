"""A notification that PagerDuty does not accept, for tests of its pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from build import an_event_for

from entrypoints.command_line import KEY
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

ANSWERS: Final = (
    (170, 410, 503, "http_5xx", "Service Unavailable"),
    (168, 380, 503, "http_5xx", "Service Unavailable"),
    (165, 15000, None, "timeout", "timed out"),
    (145, 15000, None, "timeout", "timed out"),
    (120, 520, 503, "http_5xx", "Service Unavailable"),
    (109, 440, 503, "http_5xx", "Service Unavailable"),
    (99, 120, 429, "http_429", "Too Many Requests"),
)
"""Seven attempts: seconds ago, milliseconds, status, why it failed, the answer."""


def flood(line: CommandLine, client_id: int = 1) -> tuple[int, int]:
    """Have 31 attacks fire a trigger for two integrations; return the notification of the second, and the trigger."""
    of = ("--client", client_id, "--key", "-", "--name")
    primary, payments = (
        line.json("integrations", "create", *of, name, stdin=f"{KEY}\n")["id"]
        for name in ("SOC primary", "Payments on-call")
    )
    line.ok("integrations", "disable", primary, "--user", "Ana", "--reason", "moved")
    trigger = line.json(
        *("triggers", "create", "--client", client_id, "--name", "SQLi flood"),
        *("--condition", "attacks_exceeded", "--threshold", "30 in 1h"),
        *("--filter", "attack_type=sqli", "--filter", "domain=shop.example.com"),
        *("--integration", f"{primary},{payments}"),
    )["id"]
    fields = {"attack_type": "sqli", "host": "shop.example.com", "ip": "203.0.113.7"}
    now = datetime.now(UTC)
    for _ in range(31):
        attack = an_event_for("attacks_exceeded", now, client_id=client_id, **fields)
        ingest(line.wiring.context, [attack], [])
    listed = line.json("notifications", "list", "--integration", payments)["items"]
    (made,) = [one for one in listed if one["origin"] == f"trigger:{trigger}"]
    return made["id"], trigger


def failed_attempts(line: CommandLine, notification_id: int, number: int = len(ANSWERS)) -> None:
    """Record the first of the attempts of a notification, which is retried in 110 s."""
    for n, (ago, took, status, error, answer) in enumerate(ANSWERS[:number], 1):
        line.sql(
            f"""INSERT INTO attempts (notification_id, integration_id, at, fence, duration_ms, run, number,
                    status_code, error, response)
                SELECT id, integration_id, now() - interval '{ago} s', {n}, {took}, 1, {n},
                    {"NULL" if status is None else status}, '{error}', '{answer}'
                FROM notifications WHERE id = {notification_id}"""
        )
    line.sql(
        f"""UPDATE notifications SET state = 'retrying', attempts_made = {number}, fence = {number},
            due_at = now() + interval '110 s' WHERE id = {notification_id}"""
    )
