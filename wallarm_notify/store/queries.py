"""The base of every group of queries: statements in one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final

from psycopg2.extensions import TransactionRollbackError
from sqlalchemy import Table, text
from sqlalchemy.dialects.postgresql.psycopg2 import dialect

from wallarm_notify.domain.ledger import origin_kind
from wallarm_notify.domain.notification import Notification, State, origin_of
from wallarm_notify.store.connection import BEGIN
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.store.tables.notifications import notifications as notifications_table

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's types lack it

NOTIFICATION_COLUMNS: Final = ", ".join(
    [*(f"n.{f.name}" for f in fields(Notification)), "n.trigger_id AS made_by"]
)
"""The columns that ``Queries`` makes notifications of; those of their fields have the same names."""

UNDECODABLE = """id, reason, content_type, received_at, resubmitted_at,
    coalesce(size, octet_length(body)) AS bytes,
    octet_length(body) < coalesce(size, octet_length(body)) OR (size IS NULL AND octet_length(body) >= 64000) AS cut"""
"""The columns of an undecodable message.

One from before its size was noted may be cut where what is kept has the greatest length.
"""

RESPONSE: Final = """coalesce((SELECT s.response FROM attempts s
    WHERE a.same_as <> 0 AND s.notification_id = a.notification_id AND s.fence = a.same_as), a.response)"""
"""The answer to the attempt ``a``, which may be stored with another attempt that was answered alike."""

_SHARDS = 64
"""Rows that each of the ledger's counters is spread over: connections that share one wait for each other's commits."""

_FIXED: Final = ("integration_id", "severity")
"""Fields of a notification that never change, beside its id."""

_SAVED: Final = tuple(f.name for f in fields(Notification) if f.name not in _FIXED)
"""Fields that ``save`` writes."""


def types_of(table: Table) -> Mapping[str, str]:
    """Return PostgreSQL's type of each column of ``table``, by the column's name, for ``rows_of``."""
    return {c.name: c.type.compile(_DIALECT) for c in table.columns}


_NOTIFICATIONS: Final = types_of(notifications_table)


def in_scope(column: str) -> str:
    """Return the condition that ``column``, a client's id, is in the parameter ``scope`` (``Scope.parameter``)."""
    return f"(CAST(:scope AS bigint[]) IS NULL OR {column} = ANY(CAST(:scope AS bigint[])))"


OF_NOBODY: Final = "CAST(:scope AS bigint[]) IS NULL"
"""The condition that something of no client is in the parameter ``scope``: only the scope of all clients has it."""


def rows_of(types: Mapping[str, str], values: Mapping[str, Sequence[Any]]) -> str:
    """Return a FROM item ``u`` of the columns of ``values``, given as parameters of their names.

    ``types`` has the type of each column, and may have more: see ``types_of``.

    A column that is the same in every row is given as one value: an array of equal values would cost as much to
    send and to read as one of different values. See ``parameters_of``. Where all columns are so, there is one row.
    """
    arrays = [name for name in values if not _is_constant(values[name])]
    columns = [f"a.{c}" if c in arrays else f"CAST(:{c} AS {types[c]}) AS {c}" for c in values]
    if not arrays:
        return f"(SELECT {', '.join(columns)}) AS u"
    unnested = ", ".join(f"CAST(:{c} AS {types[c]}[])" for c in arrays)
    return f"(SELECT {', '.join(columns)} FROM unnest({unnested}) AS a({', '.join(arrays)})) AS u"  # noqa: S608 - names of our own


def parameters_of(values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the parameters of ``rows_of`` for the same ``values``."""
    return {c: v[0] if _is_constant(v) else _array_of(v) for c, v in values.items()}


def _array_of(values: Sequence[Any]) -> list[Any] | str:
    # The driver takes longer to write a list of numbers than the server to read it.
    return array_of(values) if all(type(v) is int for v in values) else list(values)


def array_of(values: Iterable[object]) -> str:
    """Return the text by which PostgreSQL reads an array of numbers, truth values or ids."""
    return "{" + ",".join(map(str, values)) + "}"


def _is_constant(values: Sequence[Any]) -> bool:
    return values.count(values[0]) == len(values)


def _notification_of(row: Mapping[str, Any]) -> Notification:
    """Return the notification in a row that has ``NOTIFICATION_COLUMNS``."""
    return Notification(
        id=row["id"],
        integration_id=row["integration_id"],
        state=State(row["state"]),
        run=row["run"],
        attempts_made=row["attempts_made"],
        fence=row["fence"],
        lost_claims=row["lost_claims"],
        rechecks=row["rechecks"],
        due_at=row["due_at"],
        lease_until=row["lease_until"],
        recheck_at=row["recheck_at"],
        finished_at=row["finished_at"],
        severity=row["severity"],
        disablings=row["disablings"],
        closing=row["closing"],
        end_reason=row["end_reason"],
        link=row["link"],
    )


@lru_cache(maxsize=1024)
def _for_driver(statement: str) -> str:
    """Return ``statement`` with its parameters in the driver's syntax."""
    return str(text(statement).compile(dialect=_DIALECT))


class Queries:
    """One transaction, whose subclasses are the groups of queries.

    It uses the driver directly: a statement through SQLAlchemy's Core takes Python four times as long. It makes
    as few round trips as it can: BEGIN is sent with the first statement, and a statement without an answer is
    sent with the next one, or with COMMIT.
    """

    def __init__(self, cursor: Any, cipher: KeyCipher | None, run: int = 1) -> None:
        self._cursor = cursor
        self._cipher_or_none = cipher
        self.run = run
        """How often its work has begun, this time included."""
        self._counts: Counter[str] = Counter()
        self._states: dict[int, tuple[str, State]] = {}
        """The kind of origin and the state of each notification that this transaction has read or stored."""
        self._to_come = [BEGIN]
        self.is_ending = False
        """Whether COMMIT may have been sent."""

    @property
    def cipher(self) -> KeyCipher:
        """The cipher of integration keys; only processes that handle keys have one."""
        if self._cipher_or_none is None:
            raise RuntimeError("this store was made without WALLARM_NOTIFY_SECRET_KEYS")
        return self._cipher_or_none

    @cached_property
    def now(self) -> datetime:
        """The transaction's time by the database's clock: the only clock that decides (engine 17)."""
        now: datetime = self._rows("SELECT now() AS now")[0]["now"]
        return now

    def _rows(self, statement: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """Return the rows that ``statement`` answers with, by column name."""
        self._do(statement, **parameters)
        names = [column.name for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def _do(self, statement: str, **parameters: Any) -> int:
        """Run ``statement``; return how many rows it touched."""
        self._do_later(statement, **parameters)
        self._send()
        return int(self._cursor.rowcount)

    def _do_later(self, statement: str, **parameters: Any) -> None:
        """Run ``statement``, whose answer nobody needs, together with the next one."""
        self._to_come.append(self._cursor.mogrify(_for_driver(statement), parameters))

    def _send(self) -> None:
        statements, self._to_come = self._to_come, []
        self._cursor.execute(b";".join(statements))

    def commit(self) -> None:
        """Commit the transaction. Raise TransactionRollbackError where the server has rolled the transaction back."""
        self._write_counts()
        if self._to_come == [BEGIN]:
            return  # no statement was sent
        self._to_come.append(b"COMMIT")
        self.is_ending = True
        self._send()
        if self._cursor.statusmessage != "COMMIT":
            raise TransactionRollbackError("the transaction was rolled back")

    def count(self, changes: Mapping[str, int]) -> None:
        """Add ``changes`` to the ledger's counters, at the end of the transaction."""
        self._counts.update(changes)

    def _write_counts(self) -> None:
        """Write what was counted, in the order of kinds: the last statement before the commit.

        One statement writes all of it: with two, a transaction would wait for others while it has counters locked.
        """
        moved = {kind: change for kind, change in sorted(self._counts.items()) if change}
        if moved:
            self._do_later(
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
        """Write ``notifications``, whose rows this transaction has locked, and count their changes of state."""
        if notifications:
            for n in notifications:
                kind, before = self._states[n.id]
                if n.state is not before:
                    self._note_state(n.id, kind, n.state)
            values = {c: [getattr(n, c) for n in notifications] for c in _SAVED}
            changes = ", ".join(f"{c} = u.{c}" for c in _SAVED if c != "id")
            self._do_later(
                f"UPDATE notifications n SET {changes} FROM {rows_of(_NOTIFICATIONS, values)} WHERE n.id = u.id",  # noqa: S608 - names of our own
                **parameters_of(values),
            )

    def _notifications(self, rows: Iterable[Mapping[str, Any]]) -> list[Notification]:
        """Return the notifications in rows that have ``NOTIFICATION_COLUMNS``, and note their states for ``save``."""
        found = []
        for row in rows:
            n = _notification_of(row)
            self._states[n.id] = (origin_kind(origin_of(row["made_by"] or None)), n.state)
            found.append(n)
        return found

    def _note_state(self, notification_id: int, kind: str, state: State) -> None:
        """Note the state of a notification that was just stored or changed, and count it."""
        before = self._states.get(notification_id)
        if before is not None:
            self._counts[f"state:{kind}:{before[1]}"] -= 1
        self._counts[f"state:{kind}:{state}"] += 1
        self._states[notification_id] = (kind, state)

    def lock(self, ids: Sequence[int]) -> list[Notification]:
        """Return the notifications of ``ids``, locked in the order of their ids; wait for other holders."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS} FROM notifications n
                WHERE n.id = ANY(CAST(:ids AS bigint[])) ORDER BY n.id FOR UPDATE""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return self._notifications(rows)
