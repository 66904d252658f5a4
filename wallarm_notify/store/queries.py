"""The base of every group of queries: statements in one transaction."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final

from psycopg2.extensions import TransactionRollbackError

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.ledger import origin_kind
from wallarm_notify.domain.notification import ENDED, Notification, State, origin_of
from wallarm_notify.store.connection import ALONE, BEGIN, BEGIN_READING, NOT_IN_TIME
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.store.table_columns import TYPES

NOTIFICATION_COLUMNS: Final = ", ".join(
    [*(f"n.{f.name}" for f in fields(Notification)), "n.trigger_id AS made_by", "n.dedup_start"]
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

_NOTIFICATIONS: Final = TYPES["notifications"]
_ENDED_BY_HOUR: Final = TYPES["ended_by_hour"]

_SHARDS = 64
"""Rows that each of the ledger's counters is spread over: connections that share one wait for each other's commits."""

_FIXED: Final = ("integration_id", "severity")
"""Fields of a notification that never change, beside its id."""

_SAVED: Final = tuple(f.name for f in fields(Notification) if f.name not in _FIXED)
"""Fields that ``save`` writes."""

_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(\w+)(?![:\w])")
"""A parameter, as ``:name``; a type, as ``::name``, is none, nor is what follows a backslash."""

_NO_PARAMETER: Final = re.compile(r"\\(:\w*)(?![:\w])")


def in_scope(column: str) -> str:
    """Return the condition that ``column``, a client's id, is in the parameter ``scope`` (``Scope.parameter``)."""
    return f"(CAST(:scope AS bigint[]) IS NULL OR {column} = ANY(CAST(:scope AS bigint[])))"


OF_NOBODY: Final = "CAST(:scope AS bigint[]) IS NULL"
"""The condition that something of no client is in the parameter ``scope``: only the scope of all clients has it."""


def rows_of(types: Mapping[str, str], values: Mapping[str, Sequence[Any]]) -> str:
    """Return a FROM item ``u`` of the columns of ``values``, given as parameters of their names.

    ``types`` has the type of each column, and may have more: see ``table_columns.TYPES``.

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
def for_driver(statement: str) -> str:
    """Return ``statement``, whose parameters are written as SQLAlchemy's ``text`` has them, in the driver's syntax.

    A parameter is written ``:name``; where a backslash stands before it, it is none.
    """
    named = _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%"))
    return _NO_PARAMETER.sub(r"\1", named)


def _bound(ends_at: float) -> bytes:
    """Return the statement that gives the next one the time that is left. Raise TooMuch where there is none.

    PostgreSQL has a bound of its own for a whole transaction only from version 17 on.
    """
    left = int(1000 * (ends_at - since_boot()))
    if left <= 0:
        raise TooMuch(NOT_IN_TIME)
    return f"SET LOCAL statement_timeout = '{left}ms'".encode()


class Queries:
    """One transaction, whose subclasses are the groups of queries.

    It uses the driver directly: a statement through SQLAlchemy's Core takes Python four times as long. It makes
    as few round trips as it can: BEGIN is sent with the first statement, and a statement without an answer is
    sent with the next one, or with COMMIT.

    With ``ends_at``, as ``since_boot`` counts, it changes nothing and has to end by then; None: it may change
    something, and each statement is bounded for itself. With ``is_one`` it has one statement, for which one round trip
    is enough.
    """

    def __init__(
        self,
        cursor: Any,
        cipher: KeyCipher | None,
        run: int = 1,
        ends_at: float | None = None,
        *,
        is_one: bool = False,
    ) -> None:
        self._cursor = cursor
        self._begin = ALONE if is_one else BEGIN if ends_at is None else BEGIN_READING
        self._ends_at = ends_at
        self._cipher_or_none = cipher
        self.run = run
        """How often its work has begun, this time included."""
        self._counts: Counter[str] = Counter()
        self._ended: dict[int, Counter[State]] = {}
        """How many notifications of each integration this transaction has ended, by state."""
        self._states: dict[int, tuple[str, State]] = {}
        """The kind of origin and the state of each notification that this transaction has read or stored."""
        self._dedup_starts: dict[int, int] = {}
        """The beginning of the dedup key of each notification that this transaction has read."""
        self._to_come = [self._begin]
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
        self._to_come.append(self._cursor.mogrify(for_driver(statement), parameters))

    def _send(self) -> None:
        statements, self._to_come = self._to_come, []
        if self._begin is ALONE and statements[0] is not ALONE:
            raise RuntimeError("this transaction was to have one statement")
        if self._ends_at is not None and not self.is_ending:
            # Behind BEGIN, where it comes along: before it would be a transaction of its own.
            begun = statements[:1] if statements[0] == self._begin else []
            statements = [*begun, _bound(self._ends_at), *statements[len(begun) :]]
        self._cursor.execute(b";".join(statements))

    def commit(self) -> None:
        """Commit the transaction. Raise TransactionRollbackError where the server has rolled the transaction back."""
        self._write_ended()
        self._write_counts()
        if self._to_come == [self._begin] or (self._begin is ALONE and not self._to_come):
            return  # no statement was sent, or one that is committed
        self._to_come.append(b"COMMIT")
        self.is_ending = True
        self._send()
        if self._cursor.statusmessage != "COMMIT":
            raise TransactionRollbackError("the transaction was rolled back")

    def count(self, changes: Mapping[str, int]) -> None:
        """Add ``changes`` to the ledger's counters, at the end of the transaction."""
        self._counts.update(changes)

    def _write_ended(self) -> None:
        """Add what has ended to the counters of this hour, in the order of integrations."""
        if self._ended:
            ids = sorted(self._ended)
            values: dict[str, list[Any]] = {
                "integration_id": ids,
                **{state: [self._ended[i][state] for i in ids] for state in ENDED},
            }
            self._do_later(
                f"""INSERT INTO ended_by_hour AS h (integration_id, hour, {", ".join(ENDED)})
                    SELECT u.integration_id, date_trunc('hour', now(), 'UTC'), {", ".join(f"u.{s}" for s in ENDED)}
                    FROM {rows_of(_ENDED_BY_HOUR, values)} ORDER BY u.integration_id
                    ON CONFLICT (integration_id, hour) DO UPDATE
                    SET {", ".join(f"{s} = h.{s} + excluded.{s}" for s in ENDED)}""",  # noqa: S608 - names of our own
                **parameters_of(values),
            )

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
                    self._note_state(n, kind)
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
            self._dedup_starts[n.id] = row["dedup_start"]
            found.append(n)
        return found

    def is_of(self, notification_id: int, dedup_start: int) -> bool:
        """Return whether a notification was read whose dedup key begins so.

        After a fail-over to a standby that lacked notifications their ids are given to others.
        """
        return self._dedup_starts.get(notification_id) == dedup_start

    def _note_state(self, n: Notification, kind: str) -> None:
        """Note the state of a notification that was just stored or changed, and count it."""
        before = self._states.get(n.id)
        if before is not None:
            self._counts[f"state:{kind}:{before[1]}"] -= 1
        self._counts[f"state:{kind}:{n.state}"] += 1
        self._states[n.id] = (kind, n.state)
        if n.state in ENDED:
            self._ended.setdefault(n.integration_id, Counter())[n.state] += 1

    def lock(self, ids: Sequence[int]) -> list[Notification]:
        """Return the notifications of ``ids``, locked in the order of their ids; wait for other holders."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS} FROM notifications n
                WHERE n.id = ANY(CAST(:ids AS bigint[])) ORDER BY n.id FOR UPDATE""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return self._notifications(rows)
