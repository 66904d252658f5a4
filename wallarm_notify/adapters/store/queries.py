"""What every group of queries stands on: one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, TextClause, text

from wallarm_notify.adapters.secrets import KeyCipher
from wallarm_notify.domain.notification import Notification, State

NOTIFICATION_COLUMNS = """n.id, n.integration_id, n.state, n.run, n.attempts_made, n.claim,
    n.lost_claims, n.rings, n.due_at, n.lease_until, n.ring_at, n.finished_at, n.severity,
    n.disablings, n.last, n.end_reason"""

_SHARDS = 8
"""The ledger's counters are spread over so many rows each."""

_SAVE = text("""
    UPDATE notifications n SET
        state = u.state, run = u.run, attempts_made = u.attempts_made, claim = u.claim,
        lost_claims = u.lost_claims, rings = u.rings, due_at = u.due_at,
        lease_until = u.lease_until, ring_at = u.ring_at, finished_at = u.finished_at,
        disablings = u.disablings, last = u.last, end_reason = u.end_reason
    FROM unnest(
        CAST(:id AS bigint[]), CAST(:state AS text[]), CAST(:run AS int[]),
        CAST(:attempts_made AS int[]), CAST(:claim AS int[]), CAST(:lost_claims AS int[]),
        CAST(:rings AS int[]), CAST(:due_at AS timestamptz[]),
        CAST(:lease_until AS timestamptz[]), CAST(:ring_at AS timestamptz[]),
        CAST(:finished_at AS timestamptz[]), CAST(:disablings AS int[]),
        CAST(:last AS boolean[]), CAST(:end_reason AS text[])
    ) AS u(id, state, run, attempts_made, claim, lost_claims, rings, due_at, lease_until,
           ring_at, finished_at, disablings, last, end_reason)
    WHERE n.id = u.id
""")

_SAVED = (
    "id",
    "state",
    "run",
    "attempts_made",
    "claim",
    "lost_claims",
    "rings",
    "due_at",
    "lease_until",
    "ring_at",
    "finished_at",
    "disablings",
    "last",
    "end_reason",
)


def notification_of(row: Mapping[str, Any]) -> Notification:
    """The notification in a row that holds ``NOTIFICATION_COLUMNS``."""
    return Notification(
        id=row["id"],
        integration_id=row["integration_id"],
        state=State(row["state"]),
        run=row["run"],
        attempts_made=row["attempts_made"],
        claim=row["claim"],
        lost_claims=row["lost_claims"],
        rings=row["rings"],
        due_at=row["due_at"],
        lease_until=row["lease_until"],
        ring_at=row["ring_at"],
        finished_at=row["finished_at"],
        severity=row["severity"],
        disablings=row["disablings"],
        last=row["last"],
        end_reason=row["end_reason"],
    )


class Queries:
    """One transaction's connection. Every group of queries is a subclass."""

    def __init__(self, connection: Connection, cipher: KeyCipher | None) -> None:
        self._connection = connection
        self._cipher_or_none = cipher
        self._counts: Counter[str] = Counter()

    @property
    def cipher(self) -> KeyCipher:
        """What encrypts keys; only processes that handle keys have one."""
        if self._cipher_or_none is None:
            raise RuntimeError("this store was made without WALLARM_NOTIFY_SECRET_KEYS")
        return self._cipher_or_none

    @cached_property
    def now(self) -> datetime:
        """The transaction's time by the database's clock: the only clock that decides (engine 17)."""
        now: datetime = self._connection.execute(text("SELECT now()")).scalar_one()
        return now

    def _rows(self, statement: str | TextClause, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """The rows that ``statement`` answers with, by column name."""
        clause = text(statement) if isinstance(statement, str) else statement
        return [dict(row) for row in self._connection.execute(clause, parameters).mappings()]

    def _do(self, statement: str | TextClause, **parameters: Any) -> int:
        """Runs ``statement``; returns how many rows it touched."""
        clause = text(statement) if isinstance(statement, str) else statement
        return self._connection.execute(clause, parameters).rowcount

    def count(self, changes: Mapping[str, int]) -> None:
        """Adds ``changes`` to the ledger's counters, at the end of the transaction."""
        self._counts.update(changes)

    def write_counts(self) -> None:
        """Writes what was counted, in the order of kinds: the last statement before the commit.

        One statement for all of it: who counted in two would wait for others with counters in hand.
        """
        moved = {kind: change for kind, change in sorted(self._counts.items()) if change}
        if moved:
            self._do(
                """INSERT INTO counts (kind, shard, value)
                   SELECT u.kind, pg_backend_pid() % :shards, u.change
                   FROM unnest(CAST(:kinds AS text[]), CAST(:changes AS bigint[])) AS u(kind, change)
                   ORDER BY u.kind
                   ON CONFLICT (kind, shard) DO UPDATE SET value = counts.value + excluded.value""",
                shards=_SHARDS,
                kinds=list(moved),
                changes=list(moved.values()),
            )

    def save(self, notifications: Sequence[Notification]) -> None:
        """Writes what changes of ``notifications``, whose rows this transaction has locked."""
        if notifications:
            self._do(_SAVE, **{c: [getattr(n, c) for n in notifications] for c in _SAVED})

    def lock(self, ids: Sequence[int]) -> list[Notification]:
        """The notifications of ``ids``, locked in the order of their ids; waits for other holders."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS} FROM notifications n
                WHERE n.id = ANY(CAST(:ids AS bigint[])) ORDER BY n.id FOR UPDATE""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return [notification_of(row) for row in rows]
