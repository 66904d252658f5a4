"""Queries of integrations, as administrators set them up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.integration import Draft, IntegrationChange, IntegrationKey, Stored
from wallarm_notify.domain.notification import Notification, State
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.summary_form import BEFORE, SummaryForm
from wallarm_notify.domain.unsent import AGES, Age, Unsent, UnsentGroup
from wallarm_notify.store.broken import BROKEN
from wallarm_notify.store.integration_keys import IntegrationKeyQueries
from wallarm_notify.store.pause_ends import end_of
from wallarm_notify.store.queries import NOTIFICATION_COLUMNS, in_scope

_SLOW_NO_MORE: Final = """recovered_at = CASE WHEN slow_since IS NULL THEN recovered_at ELSE now() END,
    slow_since = NULL, bulkhead_until = NULL, bulkhead_token = NULL"""
"""The settings of an integration that is no longer slow: SWEEP looks at each notification by itself again."""

_AGE: Final = (
    "CASE WHEN created_at >= now() - :hour THEN 0 WHEN created_at >= now() - :day THEN 1 ELSE 2 END"
)
"""The place of a notification's age among the ages."""


class IntegrationQueries(IntegrationKeyQueries):
    """Integrations; whoever changes one has locked it."""

    def insert_integration(self, draft: Draft, key: IntegrationKey, *, by: str) -> int:
        """Store a new integration that somebody made; return its id."""
        fingerprint = self.fingerprint(key)
        self._make_grants(fingerprint)
        row = self._rows(
            """INSERT INTO integrations (client_id, name, region, key_token, key_fingerprint, key_last4,
                   subscriptions, summary, enabled, created_by, disabled_at, disabled_by, disabled_reason)
               VALUES (:client, :name, :region, :token, :fingerprint, :last4,
                   CAST(:subscriptions AS text[]), :summary, :enabled, :user,
                   CASE WHEN NOT :enabled THEN now() END, CASE WHEN NOT :enabled THEN :user END,
                   CASE WHEN NOT :enabled THEN 'created disabled' END)
               RETURNING id""",
            client=draft.client_id,
            name=draft.name,
            region=draft.region,
            token=self.cipher.encrypt(key),
            fingerprint=fingerprint,
            last4=key.reveal()[-4:],
            subscriptions=list(draft.subscriptions),
            summary=draft.summary or BEFORE,
            enabled=draft.enabled,
            user=by,
        )[0]
        return int(row["id"])

    def lock_integration(self, scope: Scope, integration_id: int) -> Stored | None:
        """Return one integration as routing and disabling see it, locked; None: there is none."""
        rows = self._rows(
            f"""SELECT id, client_id, name, region, subscriptions, summary, enabled, disablings, generation, key_token,
                    key_fingerprint, {end_of("integrations", "i")} AS disabled_until
                FROM integrations i
                WHERE id = :id AND deleted_at IS NULL AND {in_scope("client_id")} FOR UPDATE""",  # noqa: S608 - constants
            scope=scope.parameter,
            id=integration_id,
        )
        return _stored_of(rows[0]) if rows else None

    def update_integration(self, integration_id: int, news: IntegrationChange) -> None:
        """Set what is not None, all of which differs from what is stored.

        With a new key or region it has a clean failure window, and is not slow until an answer is.
        """
        if news.key is not None:
            self._set_key(integration_id, news.key)
        self._do(
            """UPDATE integrations SET name = coalesce(:name, name), region = coalesce(:region, region),
                   subscriptions = coalesce(CAST(:subscriptions AS text[]), subscriptions),
                   summary = coalesce(:summary, summary)
               WHERE id = :id""",
            id=integration_id,
            name=news.name,
            region=news.region,
            subscriptions=None if news.subscriptions is None else list(news.subscriptions),
            summary=news.summary,
        )
        if news.is_another_way:
            self._do(
                f"""UPDATE integrations SET generation = generation + 1, warned = 0, {_SLOW_NO_MORE}
                    WHERE id = :id""",  # noqa: S608 - a constant
                id=integration_id,
            )

    def _set_key(self, integration_id: int, key: IntegrationKey) -> None:
        fingerprint = self.fingerprint(key)
        self._make_grants(fingerprint)
        self._do(
            """UPDATE integrations SET key_token = :token, key_fingerprint = :fingerprint,
                   key_last4 = :last4 WHERE id = :id""",
            id=integration_id,
            token=self.cipher.encrypt(key),
            fingerprint=fingerprint,
            last4=key.reveal()[-4:],
        )

    def switch_off(
        self, integration_id: int, *, by: str, reason: str, until: datetime | None = None
    ) -> None:
        """Disable an integration; what waits was made under a lower count of disablings, and is cancelled."""
        self._do(
            """UPDATE integrations SET enabled = false, disablings = disablings + 1,
                   switched_off_at = now(), disabled_at = now(), disabled_by = :by,
                   disabled_reason = :reason, disabled_until = :until, until_disablings = disablings + 1
               WHERE id = :id""",
            id=integration_id,
            by=by,
            reason=reason,
            until=until,
        )

    def set_disabled_until(self, integration_id: int, until: datetime | None) -> None:
        """Set when an integration's disabling ends by itself; None: it does not."""
        self._do(
            """UPDATE integrations SET disabled_until = :until, until_disablings = disablings
               WHERE id = :id""",
            id=integration_id,
            until=until,
        )

    def switch_on(self, integration_id: int) -> None:
        """Enable an integration, with every setting as it was and a clean failure window."""
        self._do(
            f"""UPDATE integrations SET enabled = true, generation = generation + 1, warned = 0,
                   disabled_at = NULL, disabled_by = NULL, disabled_reason = NULL, disabled_until = NULL,
                   {_SLOW_NO_MORE}
               WHERE id = :id""",  # noqa: S608 - a constant
            id=integration_id,
        )

    def erase_integration(self, integration_id: int) -> None:
        """Remove an integration's settings, all but what its closing notification needs."""
        self._do(
            """UPDATE integrations SET deleted_at = now(), enabled = false, name = NULL,
                   subscriptions = '{}', created_by = NULL, disabled_by = NULL, disabled_reason = NULL,
                   disabled_until = NULL
               WHERE id = :id""",
            id=integration_id,
        )
        self._do("DELETE FROM drills WHERE integration_id = :id", id=integration_id)

    def was_integration(self, scope: Scope, integration_id: int) -> bool:
        """Return whether there was an integration that is deleted."""
        rows = self._rows(
            f"""SELECT FROM integrations
                WHERE id = :id AND deleted_at IS NOT NULL AND {in_scope("client_id")}""",
            scope=scope.parameter,
            id=integration_id,
        )
        return bool(rows)

    def wipe_key(self, integration_id: int) -> None:
        """Remove a deleted integration's key: no notification needs it any more."""
        self._do(
            """UPDATE integrations SET key_token = NULL, key_fingerprint = NULL, key_last4 = NULL,
                   region = NULL WHERE id = :id""",
            id=integration_id,
        )

    def integrations_by_switch(self) -> dict[bool, int]:
        """Return how many integrations are enabled (True) and disabled (False), without deleted ones."""
        rows = self._rows(
            """SELECT enabled, count(*) AS n FROM integrations
               WHERE deleted_at IS NULL GROUP BY enabled"""
        )
        return {row["enabled"]: row["n"] for row in rows}

    def broke_at(self, integration_id: int) -> datetime:
        """Return when a disabled integration's failures began, or when it was disabled."""
        rows = self._rows(
            f"SELECT b.at FROM integrations i {BROKEN} WHERE i.id = :id",  # noqa: S608 - a constant
            id=integration_id,
        )
        at: datetime = rows[0]["at"]
        return at

    def ended_undelivered(self, integration_id: int, since: datetime) -> Unsent:
        """Return which notifications were skipped, cancelled and failed since then.

        The closing notification is left out: what it says is no longer true once the integration is enabled.
        """
        rows = self._rows(
            f"""SELECT state, severity, {_AGE} AS age, count(*) AS n FROM notifications
               WHERE integration_id = :id AND state IN ('skipped', 'cancelled', 'failed')
                 AND finished_at >= :since AND NOT closing
               GROUP BY state, severity, age ORDER BY state, severity DESC, age""",  # noqa: S608 - a constant
            id=integration_id,
            since=since,
            hour=AGES[Age.HOUR],
            day=AGES[Age.DAY],
        )
        groups = [
            UnsentGroup(
                State(row["state"]), Severity(row["severity"]), tuple(Age)[row["age"]], row["n"]
            )
            for row in rows
        ]
        return Unsent(since, self.now, groups)

    def due_now(self, integration_id: int, limit: int) -> int:
        """Let first attempts come at once that wait for a grant of the old key; return how many."""
        return self._do(
            """WITH waiting AS MATERIALIZED (
                   SELECT id FROM notifications
                   WHERE integration_id = :id AND finished_at IS NULL AND state = 'pending'
                     AND due_at > now() AND lease_until IS NULL
                   ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
               )
               UPDATE notifications n SET due_at = now(), recheck_at = now()
               FROM waiting WHERE n.id = waiting.id""",
            id=integration_id,
            limit=limit,
        )

    def has_open_closing(self, integration_id: int) -> bool:
        """Return whether an integration's closing notification is still open."""
        return bool(
            self._rows(
                """SELECT FROM notifications
                   WHERE integration_id = :id AND finished_at IS NULL AND closing LIMIT 1""",
                id=integration_id,
            )
        )

    def left_behind_by(self, integration_id: int, limit: int) -> list[Notification]:
        """Return open notifications, locked, made before this integration was last disabled."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}
                FROM integrations i
                JOIN notifications n ON n.integration_id = i.id AND n.finished_at IS NULL
                WHERE i.id = :id AND n.disablings <> i.disablings
                  AND (n.lease_until IS NULL OR n.lease_until <= now())
                ORDER BY n.id LIMIT :limit FOR UPDATE OF n SKIP LOCKED""",  # noqa: S608 - a constant
            id=integration_id,
            limit=limit,
        )
        return self._notifications(rows)


def _stored_of(row: Mapping[str, Any]) -> Stored:
    return Stored(
        id=row["id"],
        client_id=row["client_id"],
        name=row["name"],
        region=row["region"],
        subscriptions=frozenset(row["subscriptions"]),
        summary=SummaryForm(row["summary"]),
        enabled=row["enabled"],
        disablings=row["disablings"],
        generation=row["generation"],
        key_token=bytes(row["key_token"]),
        key_fingerprint=bytes(row["key_fingerprint"]),
        disabled_until=row["disabled_until"],
    )
