"""Queries of routing: events and rejections are stored, and the outbox of notifications is filled."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.event import Event, EventKey, Rejection
from wallarm_notify.domain.integration import Subscriber, Subscribers
from wallarm_notify.domain.ledger import origin_kind
from wallarm_notify.domain.notification import (
    NewNotification,
    Notification,
    stored,
    trigger_of,
)
from wallarm_notify.domain.rejected import chosen_of, pool_of
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.event_body import stored_text
from wallarm_notify.store.queries import (
    OF_NOBODY,
    UNDECODABLE,
    Queries,
    array_of,
    in_scope,
    parameters_of,
    rows_of,
)
from wallarm_notify.store.table_columns import TYPES

_EVENTS: Final = TYPES["events"]
_NOTIFICATIONS: Final = {**TYPES["notifications"], "place": "int"}

_AS_IT_STANDS: Final = (
    "closing",
    "disablings",
    "state",
    "fence",
    "lost_claims",
    "due_at",
    "lease_until",
    "recheck_at",
    "finished_at",
)

_INSERT_REJECTED: Final = """
    INSERT INTO rejected (body_hash, reason, body_text, cut, event_id, client_id, type, sent_by, received_at)
    SELECT u.body_hash, u.reason, u.body_text, u.cut, u.event_id, u.client_id, u.type, u.sent_by, now()
    FROM unnest(
        CAST(:body_hash AS bytea[]), CAST(:reason AS text[]), CAST(:body_text AS text[]),
        CAST(:cut AS boolean[]), CAST(:event_id AS uuid[]), CAST(:client_id AS bigint[]),
        CAST(:type AS text[]), CAST(:sent_by AS text[]), CAST(:hash_before AS bytea[])
    ) AS u(body_hash, reason, body_text, cut, event_id, client_id, type, sent_by, hash_before)
    WHERE NOT EXISTS (SELECT FROM rejected r WHERE r.body_hash = u.hash_before)
    ORDER BY u.body_hash
    ON CONFLICT (body_hash) DO NOTHING
    RETURNING body_hash
"""

_UNDECODABLE: Final = -1
"""The pool of undecodable messages, beside those of clients."""


_NO_TRIGGER: Final = 0
"""In the place of a trigger: the integration's own subscriptions made it."""


class Inserted(NamedTuple):
    """An event that was just stored: its number, and whether a rejection of it is still stored."""

    no: int
    was_rejected: bool


class RoutingQueries(Queries):
    """Events, rejections and new notifications."""

    def subscribers_of(self, client_ids: Mapping[int, bool]) -> Subscribers:
        """Return the integrations of clients and the versions of their rules, all of one moment.

        Where a client's value is False, only the version is read.
        """
        rows = self._rows(
            """SELECT CAST(NULL AS bigint) AS id, NULL AS client_id, NULL AS subscriptions, NULL AS enabled,
                   NULL AS disablings, json_object_agg(client_id, version) AS versions
               FROM rules_versions WHERE client_id = ANY(CAST(:clients AS bigint[])) AND until IS NULL
               UNION ALL
               SELECT id, client_id, subscriptions, enabled, disablings, NULL FROM integrations
               WHERE client_id = ANY(CAST(:asked AS bigint[])) AND deleted_at IS NULL
               ORDER BY id NULLS FIRST""",
            clients=array_of(client_ids),
            asked=array_of(c for c, is_asked in client_ids.items() if is_asked),
        )
        versions = dict.fromkeys(client_ids, 0)
        versions |= {int(c): version for c, version in (rows[0]["versions"] or {}).items()}
        found: dict[int, list[Subscriber]] = {}
        for row in rows[1:]:
            found.setdefault(row["client_id"], []).append(_subscriber_of(row))
        return Subscribers(versions, found)

    def subscribers_by_id(self, ids: Iterable[int]) -> list[Subscriber]:
        """Return the integrations of ``ids``, enabled or not; deleted ones are left out."""
        rows = self._rows(
            """SELECT id, client_id, subscriptions, enabled, disablings FROM integrations
               WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL ORDER BY id""",
            ids=list(ids),
        )
        return [_subscriber_of(row) for row in rows]

    def insert_events(
        self, events: Sequence[tuple[Event, int]], rules_versions: Mapping[int, int]
    ) -> dict[EventKey, Inserted]:
        """Store events, each with its fan-out and its client's version in ``rules_versions``; return the new ones."""
        if not events:
            return {}
        values: dict[str, list[Any]] = {
            "id": [e.id.hex for e, _ in events],
            "client_id": [e.client_id for e, _ in events],
            "type": [e.type for e, _ in events],
            "occurred_at": [e.occurred_at for e, _ in events],
            "body": [stored_text(e) for e, _ in events],
            "body_hash": [e.body_hash for e, _ in events],
            "fan_out": [fan_out for _, fan_out in events],
            "rules_version": [rules_versions[e.client_id] for e, _ in events],
            "sent_by": [e.sent_by for e, _ in events],
        }
        names = ", ".join(values)
        rows = self._rows(
            f"""INSERT INTO events ({names}, received_at)
                SELECT {names}, now() FROM {rows_of(_EVENTS, values)}
                WHERE NOT EXISTS (  -- the first stands, also where it is kept apart
                    SELECT FROM events_ahead a
                    WHERE a.client_id = u.client_id AND a.id = u.id AND a.body_hash <> u.body_hash)
                ORDER BY u.client_id, u.id ON CONFLICT (client_id, id) DO NOTHING
                RETURNING client_id, id, no, EXISTS (
                    SELECT FROM rejected r
                    WHERE r.body_hash = events.body_hash AND r.resubmitted_as IS NULL)
                OR EXISTS (
                    SELECT FROM rejected r
                    WHERE r.body_hash = ANY(CAST(:before AS bytea[])) AND r.resubmitted_as IS NULL
                ) AS rejected""",  # noqa: S608 - names of our own
            before=[e.hash_before for e, _ in events if e.hash_before is not None],
            **parameters_of(values),
        )
        return {(row["client_id"], row["id"]): Inserted(row["no"], row["rejected"]) for row in rows}

    def mark_counted(self, more: Mapping[int, int]) -> None:
        """Note that triggers counted or fired for events that this transaction stored, given by their numbers.

        The values are added to their fan-out.
        """
        self._do_later(
            """UPDATE events e SET counted = true, fan_out = e.fan_out + u.more
               FROM unnest(CAST(:numbers AS bigint[]), CAST(:more AS int[])) AS u(no, more) WHERE e.no = u.no""",
            numbers=array_of(more),
            more=array_of(more.values()),
        )

    def event_hashes(self, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
        """Return the body hashes of the events of ``keys``, taken in or kept apart; others are left out."""
        # Where a key is in both, the event that was taken in stands: it comes last.
        rows = self._rows(
            """WITH u AS MATERIALIZED (
                   SELECT * FROM unnest(CAST(:clients AS bigint[]), CAST(:ids AS uuid[])) AS u(client_id, id)
               )
               SELECT client_id, id, body_hash FROM events_ahead JOIN u USING (client_id, id)
               UNION ALL SELECT client_id, id, body_hash FROM events JOIN u USING (client_id, id)""",
            clients=array_of(client_id for client_id, _ in keys),
            ids=array_of(event_id for _, event_id in keys),
        )
        return {(row["client_id"], row["id"]): bytes(row["body_hash"]) for row in rows}

    def insert_notifications(
        self, new: Sequence[NewNotification], numbers: Mapping[EventKey, int]
    ) -> list[Notification | None]:
        """Store new notifications; return each as stored, None for one that was there already.

        ``numbers`` has the number of each one's event. Their ids ascend in the order of ``new``. They are not
        sorted as other bulk inserts are (engine 14): this transaction stored their events, so that no other one
        can insert the same.
        """
        if not new:
            return []
        made_of = [numbers[n.event_key] for n in new]
        triggers = [trigger_of(n.origin) or _NO_TRIGGER for n in new]
        values: dict[str, list[Any]] = {
            "client_id": [n.client_id for n in new],
            "integration_id": [n.integration_id for n in new],
            "event_no": made_of,
            "trigger_id": triggers,
            "dedup_start": [start_of(n.dedup_key) for n in new],
            "severity": [int(n.severity) for n in new],
            **{c: [getattr(n, c) for n in new] for c in _AS_IT_STANDS},
        }
        names = ", ".join(values)
        values["place"] = list(range(len(new)))
        inserted = self._rows(
            f"""INSERT INTO notifications ({names}, created_at) SELECT {names}, now()
                FROM {rows_of(_NOTIFICATIONS, values)}
                ORDER BY u.place
                ON CONFLICT (event_no, integration_id, trigger_id) DO NOTHING
                RETURNING id, event_no, integration_id, trigger_id""",  # noqa: S608 - names of our own
            **parameters_of(values),
        )
        found = {
            (row["event_no"], row["integration_id"], row["trigger_id"]): row["id"]
            for row in inserted
        }
        ids = (
            found.get((event_no, n.integration_id, trigger_id))
            for n, event_no, trigger_id in zip(new, made_of, triggers, strict=True)
        )
        return [None if i is None else self._stored(n, i) for n, i in zip(new, ids, strict=True)]

    def _stored(self, new: NewNotification, notification_id: int) -> Notification:
        n = stored(new, notification_id)
        self._note_state(n, origin_kind(new.origin))
        return n

    def insert_rejected(
        self, rejections: Sequence[Rejection], most: int
    ) -> tuple[list[Rejection], int]:
        """Store rejections, of each client ``most`` a day and one that says so; 0: no limit.

        Return those that were new, and how many were not kept.
        """
        if not rejections:
            return [], 0
        pools = {pool_of(r) for r in rejections if not r.is_for_its_time}
        if not (most and pools):
            return _those(rejections, self._insert_rejected(rejections)), 0
        kept = self._kept_today(pools)
        if max(kept.values()) + len(rejections) > most:
            known = self._known({h for r in rejections for h in r.hashes})
            rejections = [r for r in rejections if known.isdisjoint(r.hashes)]
        once = list({r.body_hash: r for r in reversed(rejections)}.values())[::-1]
        chosen, left_out = chosen_of(once, kept, most)
        new = self._insert_rejected(chosen)
        counted = (r for r in chosen if r.body_hash in new and not r.is_for_its_time)
        self._keep_today(Counter(map(pool_of, counted)))
        return _those(chosen, new), len(left_out)

    def _kept_today(self, pools: Iterable[int]) -> dict[int, int]:
        """Return how many rejections of each pool were kept today, locked until the transaction ends."""
        rows = self._rows(
            """INSERT INTO rejected_by_day (client_id, day, kept)
               SELECT u.client_id, (now() AT TIME ZONE 'UTC')::date, 0
               FROM unnest(CAST(:pools AS bigint[])) AS u(client_id) ORDER BY u.client_id
               ON CONFLICT (client_id, day) DO UPDATE SET kept = rejected_by_day.kept
               RETURNING client_id, kept""",
            pools=sorted(pools),
        )
        return {row["client_id"]: row["kept"] for row in rows}

    def _keep_today(self, more: Mapping[int, int]) -> None:
        if more:
            self._do_later(
                """UPDATE rejected_by_day d SET kept = d.kept + u.more
                   FROM unnest(CAST(:pools AS bigint[]), CAST(:more AS int[])) AS u(client_id, more)
                   WHERE d.client_id = u.client_id AND d.day = (now() AT TIME ZONE 'UTC')::date""",
                pools=list(more),
                more=list(more.values()),
            )

    def _known(self, hashes: Collection[bytes]) -> set[bytes]:
        """Return which of these bodies are stored already."""
        rows = self._rows(
            "SELECT body_hash FROM rejected WHERE body_hash = ANY(CAST(:hashes AS bytea[]))",
            hashes=list(hashes),
        )
        return {bytes(row["body_hash"]) for row in rows}

    def _insert_rejected(self, rejections: Sequence[Rejection]) -> set[bytes]:
        """Store rejections; return the hashes of those that were new."""
        if not rejections:
            return set()
        rows = self._rows(
            _INSERT_REJECTED,
            body_hash=[r.body_hash for r in rejections],
            reason=[r.reason for r in rejections],
            body_text=[r.text for r in rejections],
            cut=[r.cut for r in rejections],
            event_id=[None if r.event_id is None else str(r.event_id) for r in rejections],
            client_id=[r.client_id for r in rejections],
            type=[r.type for r in rejections],
            sent_by=[r.sent_by for r in rejections],
            hash_before=[r.hash_before for r in rejections],
        )
        return {bytes(row["body_hash"]) for row in rows}

    def readmit(self, events: Iterable[Event]) -> int:
        """Note which rejected events have come again and are valid now; return how many."""
        pairs = sorted((h, str(e.id)) for e in events for h in e.hashes)
        if not pairs:
            return 0
        return self._do(
            """UPDATE rejected r SET resubmitted_as = u.event_id
               FROM unnest(CAST(:hashes AS bytea[]), CAST(:ids AS uuid[])) AS u(body_hash, event_id)
               WHERE r.body_hash = u.body_hash AND r.resubmitted_as IS NULL""",
            hashes=[h for h, _ in pairs],
            ids=[i for _, i in pairs],
        )

    def lock_rejected(self, scope: Scope, rejected_id: int) -> Mapping[str, Any] | None:
        """Return one rejection, locked; None: there is none."""
        rows = self._rows(
            f"SELECT * FROM rejected WHERE id = :id AND {in_scope('client_id')} FOR UPDATE",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=rejected_id,
        )
        return rows[0] if rows else None

    def mark_resubmitted(self, rejected_id: int, event_id: UUID) -> None:
        """Note that a rejection has become the event ``event_id``."""
        self._do(
            "UPDATE rejected SET resubmitted_as = :event WHERE id = :id",
            event=str(event_id),
            id=rejected_id,
        )

    def store_undecodable(
        self,
        reason: str,
        content_type: str | None,
        body: bytes,
        most: int = 0,
        *,
        size: int | None = None,
    ) -> bool:
        """Store an undecodable message unless ``most`` were stored today; 0: no limit.

        ``size`` is the number of its bytes where ``body`` has only the first of them. Return whether it was stored.
        """
        if most and self._kept_today({_UNDECODABLE})[_UNDECODABLE] >= most:
            return False
        self._keep_today({_UNDECODABLE: 1})
        self._do(
            """INSERT INTO undecodable (reason, content_type, body, size)
               VALUES (:reason, :type, :body, :size)""",
            reason=reason,
            type=content_type,
            body=body,
            size=len(body) if size is None else size,
        )
        return True

    def lock_undecodable(self, scope: Scope, message_id: int) -> Mapping[str, Any] | None:
        """Return one undecodable message, locked; None: there is none."""
        rows = self._rows(
            f"SELECT {UNDECODABLE}, body FROM undecodable WHERE id = :id AND {OF_NOBODY} FOR UPDATE",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=message_id,
        )
        return rows[0] if rows else None

    def mark_undecodable_resubmitted(self, message_id: int) -> None:
        """Note that the events of an undecodable message are taken in."""
        self._do("UPDATE undecodable SET resubmitted_at = now() WHERE id = :id", id=message_id)


def _subscriber_of(row: Mapping[str, Any]) -> Subscriber:
    return Subscriber(
        row["id"],
        row["client_id"],
        frozenset(row["subscriptions"]),
        row["enabled"],
        row["disablings"],
    )


def _those(rejections: Iterable[Rejection], hashes: Collection[bytes]) -> list[Rejection]:
    """Return the rejections of these bodies, each once."""
    return [r for r in {r.body_hash: r for r in rejections}.values() if r.body_hash in hashes]
