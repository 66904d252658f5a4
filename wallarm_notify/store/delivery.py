"""Queries of delivery: claims under a lease, bulkheads, the rate limit's grants, and attempts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.candidate import Candidate
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.notification import NewNotification, Notification, RowT, origin_of
from wallarm_notify.domain.outcome import Attempt
from wallarm_notify.domain.rate_limit import Grants, Moments
from wallarm_notify.domain.sending import Made, Payload
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.store.event_body import EVENT_COLUMNS, event_of
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
    parameters_of,
    rows_of,
)
from wallarm_notify.store.table_columns import TYPES
from wallarm_notify.store.triggers import FIRING_COLUMNS, firing_of

_ATTEMPTS: Final = TYPES["attempts"]

_FEW_GRANTS: Final = 8_000
"""Bytes of a key's grants, those of a full minute whose every moment has severe requests too.

Where many are reserved, reading them takes long.
"""

_SEVERE: Final = "4"
"""The name under which a key's grants of severe requests are stored: a number, one above all severities.

Programs before it read every name but ``sent`` as the number of a severity. They take these for reservations of
one that nobody has, and drop them when they grant: what is not known to be severe counts as low.
"""

_STANDING: Final = """i.enabled, i.disablings AS integration_disablings, i.generation,
    i.slow_since IS NOT NULL AS slow, i.key_fingerprint, i.region, i.key_token, i.summary, c.name, c.cloud,
    c.partner_name"""
"""Columns of an integration's state, and of what its alerts say of the client."""


class DeliveryQueries(Queries):
    """Claims, bulkheads, grants of the rate limit, and attempts."""

    def candidates(self, ids: Sequence[int]) -> list[Candidate[Notification]]:
        """Return the notifications of ``ids`` that no other transaction holds, locked, with their integrations."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}, {_STANDING}, {EVENT_COLUMNS}, {FIRING_COLUMNS}
                FROM notifications n
                JOIN integrations i ON i.id = n.integration_id
                JOIN events e ON e.no = n.event_no
                LEFT JOIN clients c ON c.id = n.client_id
                LEFT JOIN firings f ON f.event_no = n.event_no AND f.trigger_id = n.trigger_id
                WHERE n.id = ANY(CAST(:ids AS bigint[]))
                ORDER BY n.id FOR UPDATE OF n SKIP LOCKED""",  # noqa: S608 - constants
            ids=list(ids),
        )
        return [
            self._candidate(
                n, event_of(row), _firing_of(row), origin_of(row["made_by"] or None), row
            )
            for n, row in zip(self._notifications(rows), rows, strict=True)
        ]

    def candidates_of(self, made: Sequence[Made]) -> list[Candidate[NewNotification]]:
        """Return notifications that are about to be stored, with their integrations as they are now."""
        rows = self._rows(
            f"""SELECT i.id AS integration_id, {_STANDING}
                FROM integrations i LEFT JOIN clients c ON c.id = i.client_id
                WHERE i.id = ANY(CAST(:ids AS bigint[]))""",  # noqa: S608 - a constant
            ids=sorted({m.notification.integration_id for m in made}),
        )
        standing = {row["integration_id"]: row for row in rows}
        return [
            self._candidate(m.notification, m.event, m.firing, m.notification.origin, row)
            for m in made
            if (row := standing.get(m.notification.integration_id)) is not None
        ]

    def _candidate(
        self,
        notification: RowT,
        event: Event,
        firing: Firing | None,
        origin: str,
        standing: Mapping[str, Any],
    ) -> Candidate[RowT]:
        """Return ``notification`` with its integration's state, from a row that holds ``_STANDING``."""
        fingerprint, token = standing["key_fingerprint"], standing["key_token"]
        payload = Payload(
            event=event,
            firing=firing,
            origin=origin,
            region=standing["region"] or "us",
            key=self.cipher.decrypt(bytes(token)) if token else None,
            client_name=standing["name"],
            cloud=standing["cloud"],
            partner_name=standing["partner_name"],
            summary=SummaryForm(standing["summary"]),
        )
        return Candidate(
            notification,
            enabled=standing["enabled"],
            disablings=standing["integration_disablings"],
            generation=standing["generation"],
            slow=standing["slow"],
            fingerprint=None if fingerprint is None else bytes(fingerprint),
            payload=payload,
        )

    def take_bulkheads(self, tokens: Mapping[int, str], lease: timedelta) -> set[int]:
        """Take the free bulkheads of slow integrations; return the integrations whose bulkhead it got.

        ``tokens`` has the token of each claim by its integration. A bulkhead ends by itself after ``lease``.
        """
        rows = self._rows(
            """WITH free AS MATERIALIZED (
                   SELECT id FROM integrations
                   WHERE id = ANY(CAST(:ids AS bigint[])) AND (bulkhead_until IS NULL OR bulkhead_until <= now())
                   ORDER BY id FOR UPDATE
               )
               UPDATE integrations i SET bulkhead_until = now() + :lease, bulkhead_token = u.token
               FROM free JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS text[])) AS u(id, token)
                 ON u.id = free.id
               WHERE i.id = free.id RETURNING i.id""",
            ids=list(tokens),
            tokens=list(tokens.values()),
            lease=lease,
        )
        return {row["id"] for row in rows}

    def free_bulkheads(self, tokens: Mapping[int, str], *, recovered: Iterable[int] = ()) -> None:
        """Free the bulkheads that these tokens hold; ``recovered`` integrations are no longer slow.

        A bulkhead that another claim holds by now stays taken.
        """
        back = sorted(set(recovered))
        self._do(
            """WITH mine AS MATERIALIZED (
                   SELECT i.id, i.bulkhead_token = u.token AS held
                   FROM integrations i
                   LEFT JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS text[])) AS u(id, token)
                     ON u.id = i.id
                   WHERE i.id = ANY(CAST(:ids AS bigint[])) OR i.id = ANY(CAST(:back AS bigint[]))
                   ORDER BY i.id FOR UPDATE OF i
               )
               UPDATE integrations i SET
                   bulkhead_until = CASE WHEN mine.held THEN NULL ELSE i.bulkhead_until END,
                   bulkhead_token = CASE WHEN mine.held THEN NULL ELSE i.bulkhead_token END,
                   slow_since = CASE WHEN i.id = ANY(CAST(:back AS bigint[])) THEN NULL
                                ELSE i.slow_since END,
                   recovered_at = CASE WHEN i.id = ANY(CAST(:back AS bigint[])) THEN now()
                                  ELSE i.recovered_at END
               FROM mine WHERE i.id = mine.id""",
            ids=list(tokens),
            tokens=list(tokens.values()),
            back=back,
        )

    def mark_slow(self, integration_ids: Iterable[int]) -> None:
        """Mark integrations as slow: from now on, each is sent one request at a time."""
        self._do(
            """WITH fast AS MATERIALIZED (
                   SELECT id FROM integrations
                   WHERE id = ANY(CAST(:ids AS bigint[])) AND slow_since IS NULL
                   ORDER BY id FOR UPDATE
               )
               UPDATE integrations i SET slow_since = now() FROM fast WHERE i.id = fast.id""",
            ids=list(integration_ids),
        )

    def waiting_behind(self, limits: Mapping[int, int]) -> list[Notification]:
        """Return due notifications that no worker has, of each integration at most its limit.

        The most severe come first, then the oldest.
        """
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}
                FROM unnest(CAST(:ids AS bigint[]), CAST(:most AS int[])) AS u(integration_id, most)
                CROSS JOIN LATERAL (
                    SELECT * FROM notifications w
                    WHERE w.integration_id = u.integration_id AND w.finished_at IS NULL
                      AND w.due_at <= now() AND (w.lease_until IS NULL OR w.lease_until <= now())
                    ORDER BY w.severity DESC, w.id LIMIT u.most) n""",  # noqa: S608 - a constant
            ids=list(limits),
            most=list(limits.values()),
        )
        return self._notifications(rows)

    def recheck_soon(self, integration_ids: Iterable[int]) -> None:
        """Let SWEEP look at once at what waited behind these bulkheads, at most 1,000 of each."""
        self._do(
            """WITH waiting AS MATERIALIZED (
                   SELECT n.id FROM unnest(CAST(:ids AS bigint[])) AS u(integration_id)
                   CROSS JOIN LATERAL (
                       SELECT id FROM notifications w
                       WHERE w.integration_id = u.integration_id AND w.finished_at IS NULL
                         AND w.due_at <= now() AND w.lease_until IS NULL
                       ORDER BY w.id LIMIT 1000 FOR UPDATE SKIP LOCKED) n
               )
               UPDATE notifications n SET recheck_at = now() FROM waiting WHERE n.id = waiting.id""",
            ids=list(integration_ids),
        )

    def grants(self, fingerprints: Iterable[bytes]) -> dict[bytes, Grants]:
        """Return the grants of these keys, locked in the keys' order; make a row for a key without one."""
        ordered = sorted(set(fingerprints))
        if not ordered:
            return {}
        rows: Sequence[Mapping[str, Any]] = ()
        while len(rows) < len(ordered):  # SWEEP may drop an old one between the two statements
            self._do_later(
                """INSERT INTO rate_limits (key_fingerprint, grants, touched_at)
                   SELECT u.f, '{}', now() FROM unnest(CAST(:keys AS bytea[])) AS u(f)
                   WHERE NOT EXISTS (SELECT FROM rate_limits p WHERE p.key_fingerprint = u.f)
                   ORDER BY u.f ON CONFLICT DO NOTHING""",
                keys=ordered,
            )
            rows = self._rows(
                """SELECT key_fingerprint, grants FROM rate_limits
                   WHERE key_fingerprint = ANY(CAST(:keys AS bytea[]))
                   ORDER BY key_fingerprint FOR UPDATE""",
                keys=ordered,
            )
        return {bytes(row["key_fingerprint"]): grants_of(row["grants"]) for row in rows}

    def grants_at_hand(self, fingerprints: Iterable[bytes]) -> dict[bytes, Grants]:
        """Return the grants of those of these keys that have few and that no other transaction holds.

        They are locked. Keys without a row are left out.
        """
        rows = self._rows(
            """SELECT key_fingerprint, grants FROM rate_limits
               WHERE key_fingerprint = ANY(CAST(:keys AS bytea[])) AND pg_column_size(grants) <= :most
               ORDER BY key_fingerprint FOR UPDATE SKIP LOCKED""",
            keys=sorted(set(fingerprints)),
            most=_FEW_GRANTS,
        )
        return {bytes(row["key_fingerprint"]): grants_of(row["grants"]) for row in rows}

    def save_grants(self, grants: Mapping[bytes, Grants]) -> None:
        """Write the grants of keys that this transaction has locked."""
        if grants:
            self._do_later(
                """UPDATE rate_limits p SET grants = CAST(u.grants AS jsonb), touched_at = now()
                   FROM unnest(CAST(:keys AS bytea[]), CAST(:grants AS text[])) AS u(f, grants)
                   WHERE p.key_fingerprint = u.f""",
                keys=list(grants),
                grants=[
                    dumps(
                        {"sent": t.sent, **{str(s): known for s, known in t.reserved.items()}}
                        | ({_SEVERE: t.severe} if t.severe else {})
                    )
                    for t in grants.values()
                ],
            )

    def insert_attempts(self, attempts: Sequence[Attempt]) -> set[tuple[int, int]]:
        """Store attempts; return the notification and the fence of each that was new."""
        if not attempts:
            return set()
        values: dict[str, list[Any]] = {
            "notification_id": [a.notification_id for a in attempts],
            "fence": [a.fence for a in attempts],
            "integration_id": [a.integration_id for a in attempts],
            "generation": [a.generation for a in attempts],
            "run": [a.run for a in attempts],
            "number": [a.number for a in attempts],
            "at": [a.at for a in attempts],
            "duration_ms": [round(a.duration.total_seconds() * 1000) for a in attempts],
            "status_code": [a.answer.status for a in attempts],
            "error": [a.answer.reason for a in attempts],
            "task_id": [None if a.task_id is None else str(a.task_id) for a in attempts],
        }
        responses: dict[str, list[Any]] = {"response": [a.answer.response for a in attempts]}
        names, given = ", ".join(values), ", ".join(f"u.{name}" for name in values)
        rows = self._rows(
            f"""INSERT INTO attempts ({names}, same_as, response)
                SELECT {given}, coalesce(same.fence, 0), CASE WHEN same.fence IS NULL THEN u.response ELSE '' END
                FROM {rows_of(_ATTEMPTS, values | responses)}
                LEFT JOIN LATERAL (
                    -- The first attempt has none before it to be alike.
                    SELECT a.fence FROM attempts a
                    WHERE u.fence > 1 AND a.notification_id = u.notification_id AND a.fence < u.fence
                      AND a.same_as = 0 AND a.response = u.response
                    ORDER BY a.fence LIMIT 1) same ON true
                ORDER BY u.notification_id, u.fence
                ON CONFLICT DO NOTHING RETURNING notification_id, fence""",  # noqa: S608 - names of our own
            **parameters_of(values | responses),
        )
        return {(row["notification_id"], row["fence"]) for row in rows}

    def wipe_ended_keys(self, integration_ids: Iterable[int] | None = None) -> int:
        """Wipe the keys of deleted integrations whose closing notification has ended; return how many."""
        return self._do(
            """WITH ended AS MATERIALIZED (
                   SELECT i.id FROM integrations i
                   WHERE i.deleted_at IS NOT NULL AND i.key_token IS NOT NULL
                     AND (CAST(:ids AS bigint[]) IS NULL OR i.id = ANY(CAST(:ids AS bigint[])))
                     AND NOT EXISTS (
                         SELECT FROM notifications n
                         WHERE n.integration_id = i.id AND n.finished_at IS NULL AND n.closing)
                   ORDER BY i.id FOR UPDATE
               )
               UPDATE integrations i
               SET key_token = NULL, key_fingerprint = NULL, key_last4 = NULL, region = NULL
               FROM ended WHERE i.id = ended.id""",
            ids=None if integration_ids is None else list(integration_ids),
        )


def _firing_of(row: Mapping[str, Any]) -> Firing | None:
    return None if row["firing_id"] is None else firing_of(row)


def grants_of(stored: dict[str, list[tuple[float, int]]]) -> Grants:
    """Return the grants of a key from how they are stored."""
    moments = {name: _in_order(grants) for name, grants in stored.items()}
    sent, severe = moments.pop("sent", ()), moments.pop(_SEVERE, ())
    return Grants(sent, {int(s): grants for s, grants in moments.items()}, severe)


def _in_order(grants: Sequence[tuple[float, int]]) -> Moments:
    """Return each moment once, in order: grants of test alerts are appended as they come."""
    moments = [at for at, _ in grants]
    if moments == sorted(set(moments)):
        return tuple((at, number) for at, number in grants)
    numbers: Counter[float] = Counter()
    for at, number in grants:
        numbers[at] += number
    return tuple(sorted(numbers.items()))
