"""Queries of computations."""

from collections.abc import Mapping
from datetime import timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.computation import (
    AT_ONCE,
    IDLE,
    KEPT_AT_MOST,
    OPEN_AT_MOST,
    Computation,
    Kind,
)
from wallarm_notify.domain.replay_job import JobState
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope

_COLUMNS: Final = """id, client_id, kind, actor, role, source, asked, result, left_out, state, share, fence, deaths,
    problem, created_at, worked_at, ended_at, cancelled_by"""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('wallarm-notify'), hashtext('computations'))"
"""Counting and what depends on the count are one: how many are open of a client, and how many run."""

_HAS_WORKER: Final = """(ended_at IS NULL AND worked_at IS NOT NULL
    AND worked_at BETWEEN clock_timestamp() - :idle AND clock_timestamp())"""
"""Whether a worker has it; one that noted something in the future did so before the clock was set back."""

_LATEST: Final = 2**63 - 1
_FORGOTTEN_AT_ONCE: Final = 100


class ComputationQueries(Queries):
    """Computations: made, worked on, cancelled, shown."""

    def insert_computation(
        self, actor: Actor, client_id: int | None, kind: Kind, asked: Mapping[str, Any]
    ) -> Computation | None:
        """Store a new computation and return it; None: the client has as many open ones as it may.

        The oldest ones of a client that have ended go where there are too many.
        """
        self._do_later(_LOCK)
        self._do_later(
            """DELETE FROM computations WHERE id IN (
                   SELECT id FROM computations WHERE client_id IS NOT DISTINCT FROM :client_id AND ended_at IS NOT NULL
                   ORDER BY id DESC OFFSET :kept LIMIT :limit)""",
            client_id=client_id,
            kept=KEPT_AT_MOST,
            limit=_FORGOTTEN_AT_ONCE,
        )
        rows = self._rows(
            f"""INSERT INTO computations (client_id, kind, actor, role, source, asked, left_out, state, share, fence,
                    deaths)
                SELECT :client_id, :kind, :actor, :role, :source, CAST(:asked AS json), 0, 'waiting', 0, 0, 0
                WHERE (SELECT count(*) FROM computations
                       WHERE client_id IS NOT DISTINCT FROM :client_id AND ended_at IS NULL) < :most
                RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
            client_id=client_id,
            kind=kind,
            actor=actor.name,
            role=actor.role,
            source=actor.source,
            asked=dumps(asked),
            most=OPEN_AT_MOST,
        )
        return _computation_of(rows[0]) if rows else None

    def computation(
        self, scope: Scope, computation_id: int, *, lock: bool = False
    ) -> Computation | None:
        """Return a computation, locked where that is asked for; None: there is none in ``scope``."""
        rows = self._rows(
            f"""SELECT {_COLUMNS} FROM computations WHERE id = :id AND {in_scope("client_id")}
                {"FOR UPDATE" if lock else ""}""",  # noqa: S608 - constants
            scope=scope.parameter,
            id=computation_id,
        )
        return _computation_of(rows[0]) if rows else None

    def computations(
        self, scope: Scope, cursor: int | None, limit: int, client_id: int | None
    ) -> list[Computation]:
        """Return computations with ids below ``cursor``, the newest first, without their results."""
        columns = _COLUMNS.replace("result", "NULL AS result")
        rows = self._rows(
            f"""SELECT {columns} FROM computations WHERE id < :cursor AND {in_scope("client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR client_id = :client_id)
                ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            cursor=_LATEST if cursor is None else cursor,
            client_id=client_id,
            limit=limit,
        )
        return [_computation_of(row) for row in rows]

    def has_idle_computation(self) -> bool:
        """Return whether one is open that no worker has."""
        rows = self._rows(
            f"""SELECT EXISTS (SELECT FROM computations
                               WHERE ended_at IS NULL AND NOT {_HAS_WORKER}) AS found""",  # noqa: S608 - a constant
            idle=IDLE,
        )
        return bool(rows[0]["found"])

    def begin_computation(self) -> Computation | None:
        """Begin the oldest one that no worker has, and return it; None: there is none, or enough run.

        The beginning counts as a death until it ends or is handed back.
        """
        self._do_later(_LOCK)
        rows = self._rows(
            f"""UPDATE computations SET state = 'running', share = 0, worked_at = clock_timestamp(),
                    fence = fence + 1, deaths = deaths + 1
                WHERE id = (SELECT id FROM computations WHERE ended_at IS NULL AND NOT {_HAS_WORKER}
                            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
                  AND (SELECT count(*) FROM computations WHERE {_HAS_WORKER}) < :at_once
                RETURNING {_COLUMNS}""",  # noqa: S608 - constants
            idle=IDLE,
            at_once=AT_ONCE,
        )
        return _computation_of(rows[0]) if rows else None

    def note_share(self, computation_id: int, fence: int, share: float) -> bool:
        """Note how much of a computation is done; False: it is ended, or another worker has it."""
        noted = self._do(
            """UPDATE computations SET share = :share, worked_at = clock_timestamp()
               WHERE id = :id AND fence = :fence AND ended_at IS NULL""",
            id=computation_id,
            fence=fence,
            share=share,
        )
        return noted == 1

    def hand_back_computation(self, computation_id: int, fence: int) -> None:
        """Have another worker begin a computation: this one ends."""
        self._do(
            """UPDATE computations SET state = 'waiting', share = 0, worked_at = NULL, deaths = deaths - 1
               WHERE id = :id AND fence = :fence AND ended_at IS NULL""",
            id=computation_id,
            fence=fence,
        )

    def end_computation(
        self,
        computation_id: int,
        fence: int,
        state: JobState,
        *,
        result: str | None = None,
        left_out: int = 0,
        problem: str | None = None,
    ) -> bool:
        """End a computation, with its result's JSON text or why it failed; False: another worker has it."""
        ended = self._do(
            """UPDATE computations SET state = :state, result = CAST(:result AS json), left_out = :left_out,
                   problem = :problem, share = CASE WHEN :state = 'done' THEN 1 ELSE share END, ended_at = now()
               WHERE id = :id AND fence = :fence AND ended_at IS NULL""",
            id=computation_id,
            fence=fence,
            state=state,
            result=result,
            left_out=left_out,
            problem=problem,
        )
        return ended == 1

    def cancel_computation(self, computation_id: int, by: str) -> None:
        """Cancel a computation, whose row is locked; its worker finds it ended."""
        self._do_later(
            "UPDATE computations SET state = 'cancelled', cancelled_by = :by, ended_at = now() WHERE id = :id",
            id=computation_id,
            by=by,
        )

    def prune_computations(self, kept_for: timedelta, limit: int) -> int:
        """Delete computations that ended longer ago than ``kept_for``; return how many."""
        return self._do(
            """DELETE FROM computations WHERE id IN (
                   SELECT id FROM computations WHERE ended_at < now() - CAST(:kept_for AS interval)
                   ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED)""",
            kept_for=kept_for,
            limit=limit,
        )


def _computation_of(row: Mapping[str, Any]) -> Computation:
    changed = {
        "kind": Kind(row["kind"]),
        "state": JobState(row["state"]),
        "actor": Actor(row["actor"], Role(row["role"]), Source(row["source"])),
    }
    same = {name: row[name] for name in row if name not in ("role", "source")}
    return Computation(**(same | changed))
