"""Queries of what administrators set up: clients, integrations and their keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.integration import Draft, IntegrationKey, Stored
from wallarm_notify.domain.notification import Notification
from wallarm_notify.domain.rate_limit import moment_of
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
    notification_of,
)

_SLOW_NO_MORE: Final = """recovered_at = CASE WHEN slow_since IS NULL THEN recovered_at ELSE now() END,
    slow_since = NULL, bulkhead_until = NULL, bulkhead_token = NULL"""
"""SWEEP has to look at each notification that waited behind the bulkhead; it was one for all of them."""


class IntegrationQueries(Queries):
    """Clients, integrations, keys and fingerprints."""

    def _fingerprint_token(self) -> bytes:
        """The installation's secret of fingerprints, made at its first use."""
        self._do(
            """INSERT INTO installation (fingerprint_token) SELECT :token
               WHERE NOT EXISTS (SELECT FROM installation) ON CONFLICT DO NOTHING""",
            token=self.cipher.new_fingerprint_token(),
        )
        return bytes(
            self._rows("SELECT fingerprint_token FROM installation")[0]["fingerprint_token"]
        )

    def fingerprint(self, key: IntegrationKey) -> bytes:
        """What tells ``key`` from others without being it. Raises Unavailable."""
        fingerprint = self.cipher.fingerprint(key, self._fingerprint_token())
        if fingerprint is None:
            raise Unavailable(
                "WALLARM_NOTIFY_SECRET_KEYS lacks the key this installation's secrets were encrypted with; "
                "add it after the newest one."
            )
        return fingerprint

    def insert_integration(self, draft: Draft, key: IntegrationKey) -> int:
        """Stores a new integration; returns its id."""
        fingerprint = self.fingerprint(key)
        self._make_grants(fingerprint)
        row = self._rows(
            """INSERT INTO integrations (client_id, name, region, key_token, key_fingerprint, key_last4,
                   subscriptions, enabled, created_by, disabled_at, disabled_by, disabled_reason)
               VALUES (:client, :name, :region, :token, :fingerprint, :last4,
                   CAST(:subscriptions AS text[]), :enabled, :user,
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
            enabled=draft.enabled,
            user=draft.user,
        )[0]
        return int(row["id"])

    def _make_grants(self, fingerprint: bytes | None) -> None:
        """A place for a key's grants: routing makes none, as it might have to wait for who does so too."""
        if fingerprint is not None:
            self._do_later(
                """INSERT INTO rate_limits (key_fingerprint, grants, touched_at) VALUES (:f, '{}', now())
                   ON CONFLICT (key_fingerprint) DO UPDATE SET touched_at = now()""",
                f=fingerprint,
            )

    def same_key(self, key: IntegrationKey, but: int | None) -> list[int]:
        """The other integrations, deleted ones left out, that have this key."""
        rows = self._rows(
            """SELECT id FROM integrations
               WHERE key_fingerprint = :f AND deleted_at IS NULL AND id IS DISTINCT FROM :but
               ORDER BY id""",
            f=self.fingerprint(key),
            but=but,
        )
        return [row["id"] for row in rows]

    def lock_integration(self, integration_id: int) -> Stored | None:
        """One integration as routing and disabling see it, locked; None: there is none."""
        rows = self._rows(
            """SELECT id, client_id, name, region, subscriptions, enabled, disablings, generation, key_token
               FROM integrations WHERE id = :id AND deleted_at IS NULL FOR UPDATE""",
            id=integration_id,
        )
        return _stored_of(rows[0]) if rows else None

    def integration_key(self, stored: Stored) -> IntegrationKey:
        """The key of an integration, to send with. Raises Unavailable where it cannot be opened."""
        key = self.cipher.decrypt(stored.key_token)
        if key is None:
            raise Unavailable(
                f"integration {stored.id}: WALLARM_NOTIFY_SECRET_KEYS lacks the key that its integration key "
                "was encrypted with; add it after the newest one."
            )
        return key

    def update_integration(
        self,
        integration_id: int,
        *,
        name: str | None,
        region: str | None,
        subscriptions: Sequence[str] | None,
        key: IntegrationKey | None,
    ) -> None:
        """Changes what is not None.

        A new key or region starts a clean failure window, and is no longer slow until it shows to be.
        """
        fingerprint = None if key is None else self.fingerprint(key)
        self._do(
            """UPDATE integrations SET name = coalesce(:name, name), region = coalesce(:region, region),
                   subscriptions = coalesce(CAST(:subscriptions AS text[]), subscriptions),
                   generation = generation + CAST(u.is_new AS int), warned = CASE WHEN u.is_new THEN 0 ELSE warned END
               FROM (SELECT id, region <> coalesce(:region, region)
                       OR key_fingerprint <> coalesce(:fingerprint, key_fingerprint) AS is_new
                     FROM integrations WHERE id = :id) u
               WHERE integrations.id = u.id""",
            id=integration_id,
            name=name,
            region=region,
            subscriptions=None if subscriptions is None else list(subscriptions),
            fingerprint=fingerprint,
        )
        if key is not None:
            self._make_grants(fingerprint)
            self._do(
                """UPDATE integrations SET key_token = :token, key_fingerprint = :fingerprint,
                       key_last4 = :last4 WHERE id = :id""",
                id=integration_id,
                token=self.cipher.encrypt(key),
                fingerprint=fingerprint,
                last4=key.reveal()[-4:],
            )
        if key is not None or region is not None:
            self._do(
                f"UPDATE integrations SET {_SLOW_NO_MORE} WHERE id = :id",  # noqa: S608 - a constant
                id=integration_id,
            )

    def switch_off(self, integration_id: int, *, by: str, reason: str) -> None:
        """Disables; what waits belongs to an older count of disablings now."""
        self._do(
            """UPDATE integrations SET enabled = false, disablings = disablings + 1,
                   switched_off_at = now(), disabled_at = now(), disabled_by = :by,
                   disabled_reason = :reason WHERE id = :id""",
            id=integration_id,
            by=by,
            reason=reason,
        )

    def switch_on(self, integration_id: int) -> None:
        """Enables, with every setting as it was and a clean failure window."""
        self._do(
            f"""UPDATE integrations SET enabled = true, generation = generation + 1, warned = 0,
                   disabled_at = NULL, disabled_by = NULL, disabled_reason = NULL, {_SLOW_NO_MORE}
               WHERE id = :id""",  # noqa: S608 - a constant
            id=integration_id,
        )

    def erase_integration(self, integration_id: int, *, keep_key: bool) -> None:
        """Removes an integration's configuration; its key too, unless a last notification needs it."""
        self._do(
            """UPDATE integrations SET deleted_at = now(), enabled = false, name = NULL,
                   subscriptions = '{}', created_by = NULL, disabled_by = NULL, disabled_reason = NULL
               WHERE id = :id""",
            id=integration_id,
        )
        if not keep_key:
            self._do(
                """UPDATE integrations SET key_token = NULL, key_fingerprint = NULL, key_last4 = NULL,
                       region = NULL WHERE id = :id""",
                id=integration_id,
            )

    def integrations_by_switch(self) -> dict[bool, int]:
        """How many integrations are enabled (True) and disabled (False); deleted ones are left out."""
        rows = self._rows(
            """SELECT enabled, count(*) AS n FROM integrations
               WHERE deleted_at IS NULL GROUP BY enabled"""
        )
        return {row["enabled"]: row["n"] for row in rows}

    def broke_at(self, integration_id: int) -> datetime:
        """When a disabled integration's failures began, or when it was disabled."""
        rows = self._rows(
            """SELECT coalesce(CAST(s.evidence ->> 'first_failed_at' AS timestamptz), i.disabled_at, now()) AS at
               FROM integrations i
               LEFT JOIN switch_offs s ON s.integration_id = i.id AND s.at = i.disabled_at
               WHERE i.id = :id""",
            id=integration_id,
        )
        at: datetime = rows[0]["at"]
        return at

    def ended_undelivered(self, integration_id: int, since: datetime) -> Mapping[str, int]:
        """How many notifications of an integration were skipped, cancelled and failed since then.

        The one of its own end is left out: it would be untrue by now.
        """
        rows = self._rows(
            """SELECT state, count(*) AS n FROM notifications
               WHERE integration_id = :id AND state IN ('skipped', 'cancelled', 'failed')
                 AND finished_at >= :since AND NOT closing
               GROUP BY state""",
            id=integration_id,
            since=since,
        )
        return {row["state"]: row["n"] for row in rows}

    def due_now(self, integration_id: int, limit: int) -> int:
        """Lets first attempts that wait for a grant of the old key come at once; how many."""
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
        """Whether an integration's last notification is still on its way."""
        return bool(
            self._rows(
                """SELECT FROM notifications
                   WHERE integration_id = :id AND finished_at IS NULL AND closing LIMIT 1""",
                id=integration_id,
            )
        )

    def left_behind_by(self, integration_id: int, limit: int) -> list[Notification]:
        """Open notifications, locked, made before this integration was last switched off."""
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
        return [notification_of(row) for row in rows]

    def note_grants(self, key: IntegrationKey, number: int) -> None:
        """Counts test alerts among the key's grants; they themselves wait for none."""
        self._do(
            """INSERT INTO rate_limits (key_fingerprint, grants, touched_at)
               VALUES (:f, jsonb_build_object('sent', CAST(:sent AS jsonb)), now())
               ON CONFLICT (key_fingerprint) DO UPDATE SET touched_at = now(),
                   grants = jsonb_set(rate_limits.grants, '{sent}',
                       coalesce(rate_limits.grants -> 'sent', '[]') || CAST(:sent AS jsonb))""",
            f=self.fingerprint(key),
            sent=dumps([[moment_of(self.now.timestamp()), number]]),
        )

    def client(self, client_id: int) -> tuple[str | None, str | None, str | None]:
        """A client's name, cloud and partner name, each None where it is unset."""
        rows = self._rows(
            "SELECT name, cloud, partner_name FROM clients WHERE id = :id", id=client_id
        )
        return (rows[0]["name"], rows[0]["cloud"], rows[0]["partner_name"]) if rows else (None,) * 3

    def set_client(
        self, client_id: int, *, name: str | None, cloud: str | None, partner_name: str | None
    ) -> None:
        """Sets what is not None of a client's record."""
        self._do(
            """INSERT INTO clients AS c (id, name, cloud, partner_name)
               VALUES (:id, :name, :cloud, :partner)
               ON CONFLICT (id) DO UPDATE SET name = coalesce(:name, c.name),
                   cloud = coalesce(:cloud, c.cloud), partner_name = coalesce(:partner, c.partner_name)""",
            id=client_id,
            name=name,
            cloud=cloud,
            partner=partner_name,
        )

    def rotate_secrets(self) -> tuple[int, list[int]]:
        """Encrypts every secret with the newest Fernet key; how many, and whose could not be opened."""
        locked_up: list[int] = []
        rows = self._rows(
            "SELECT id, key_token FROM integrations WHERE key_token IS NOT NULL ORDER BY id FOR UPDATE"
        )
        tokens = {}
        for row in rows:
            token = self.cipher.rotate(bytes(row["key_token"]))
            if token is None:
                locked_up.append(row["id"])
            else:
                tokens[row["id"]] = token
        done = len(tokens)
        self._do(
            """UPDATE integrations i SET key_token = u.token
               FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bytea[])) AS u(id, token)
               WHERE i.id = u.id""",
            ids=list(tokens),
            tokens=list(tokens.values()),
        )
        for row in self._rows("SELECT fingerprint_token FROM installation FOR UPDATE"):
            token = self.cipher.rotate(bytes(row["fingerprint_token"]))
            if token is None:
                raise Unavailable(
                    "WALLARM_NOTIFY_SECRET_KEYS lacks the key this installation's secrets were encrypted "
                    "with; nothing was changed. Add the old key after the new one."
                )
            self._do("UPDATE installation SET fingerprint_token = :token", token=token)
            done += 1
        return done, locked_up


def _stored_of(row: Mapping[str, Any]) -> Stored:
    return Stored(
        id=row["id"],
        client_id=row["client_id"],
        name=row["name"],
        region=row["region"],
        subscriptions=frozenset(row["subscriptions"]),
        enabled=row["enabled"],
        disablings=row["disablings"],
        generation=row["generation"],
        key_token=bytes(row["key_token"]),
    )
