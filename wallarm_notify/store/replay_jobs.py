"""Queries of replay jobs."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.replay_job import Extent, JobState, ReplayJob
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import Wanted
from wallarm_notify.store.queries import Queries, in_scope

_COLUMNS: Final = """id, client_id, integration_id, actor, role, source, user_id, states, severities, since,
    ended_since, event_type, total, last_id, sample, takes_at_least, state, reached, replayed, problem, created_at,
    worked_at, ended_at, cancelled_by"""

_LATEST: Final = 2**63 - 1


class ReplayJobQueries(Queries):
    """Replay jobs: made, worked on, cancelled, shown."""

    def insert_replay_job(
        self, actor: Actor, client_id: int, wanted: Wanted, extent: Extent, takes: timedelta
    ) -> ReplayJob | None:
        """Store a new job and return it; None: the integration has an open one."""
        rows = self._rows(
            f"""INSERT INTO replay_jobs (client_id, integration_id, actor, role, source, user_id, states, severities,
                    since, ended_since, event_type, total, last_id, sample, takes_at_least, state, reached, replayed)
                VALUES (:client_id, :integration_id, :actor, :role, :source, :user_id, CAST(:states AS text[]),
                    CAST(:severities AS integer[]), :since, :ended_since, :event_type, :total, :last_id,
                    CAST(:sample AS bigint[]), :takes, 'waiting', 0, 0)
                ON CONFLICT (integration_id) WHERE ended_at IS NULL DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
            client_id=client_id,
            integration_id=wanted.integration_id,
            actor=actor.name,
            role=actor.role,
            source=actor.source,
            user_id=actor.user_id,
            states=list(map(str, wanted.states)),
            severities=list(map(int, wanted.severities)),
            since=wanted.since,
            ended_since=wanted.ended_since,
            event_type=wanted.event_type,
            total=extent.total,
            last_id=extent.last_id,
            sample=list(extent.sample),
            takes=takes,
        )
        return _job_of(rows[0]) if rows else None

    def replay_job(self, scope: Scope, job_id: int, *, lock: bool = False) -> ReplayJob | None:
        """Return a job, locked where that is asked for; None: there is none in ``scope``."""
        rows = self._rows(
            f"""SELECT {_COLUMNS} FROM replay_jobs WHERE id = :id AND {in_scope("client_id")}
                {"FOR UPDATE" if lock else ""}""",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=job_id,
        )
        return _job_of(rows[0]) if rows else None

    def lock_next_replay_job(self) -> ReplayJob | None:
        """Return the open job that was worked on longest ago, locked; None: there is none that nobody works on."""
        rows = self._rows(
            f"""SELECT {_COLUMNS} FROM replay_jobs WHERE ended_at IS NULL
                ORDER BY worked_at NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED"""  # noqa: S608 - a constant
        )
        return _job_of(rows[0]) if rows else None

    def replay_jobs(
        self, scope: Scope, cursor: int | None, limit: int, client_id: int | None = None
    ) -> list[ReplayJob]:
        """Return jobs with ids below ``cursor``, the newest first; ``client_id``: only that client's."""
        rows = self._rows(
            f"""SELECT {_COLUMNS} FROM replay_jobs WHERE id < :cursor AND {in_scope("client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR client_id = :client_id)
                ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            cursor=_LATEST if cursor is None else cursor,
            client_id=client_id,
            limit=limit,
        )
        return [_job_of(row) for row in rows]

    def note_replay_slice(self, job_id: int, reached: int, replayed: int, *, done: bool) -> None:
        """Note what a slice of a job did, whose row is locked."""
        self._do_later(
            """UPDATE replay_jobs SET reached = :reached, replayed = replayed + :replayed, worked_at = now(),
                   state = CASE WHEN :done THEN 'done' ELSE 'running' END,
                   ended_at = CASE WHEN :done THEN now() END
               WHERE id = :id""",
            id=job_id,
            reached=reached,
            replayed=replayed,
            done=done,
        )

    def end_replay_job(
        self, job_id: int, state: JobState, *, problem: str | None = None, by: str | None = None
    ) -> None:
        """End a job, whose row is locked, before all is done."""
        self._do_later(
            """UPDATE replay_jobs SET state = :state, problem = :problem, cancelled_by = :by, ended_at = now()
               WHERE id = :id""",
            id=job_id,
            state=state,
            problem=problem,
            by=by,
        )

    def has_idle_replay_job(self, idle: timedelta) -> bool:
        """Return whether an open job was not worked on for so long."""
        rows = self._rows(
            """SELECT EXISTS (SELECT FROM replay_jobs WHERE ended_at IS NULL
                   AND (COALESCE(worked_at, created_at) <= now() - :idle
                        OR COALESCE(worked_at, created_at) > now())) AS found""",
            idle=idle,
        )
        return bool(rows[0]["found"])

    def forget_replay_jobs(self, retention: timedelta, limit: int) -> int:
        """Delete jobs that ended longer ago than the retention; return how many."""
        return self._do(
            """DELETE FROM replay_jobs WHERE id IN (
                   SELECT id FROM replay_jobs WHERE ended_at < now() - CAST(:retention AS interval)
                   ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)""",
            retention=retention,
            limit=limit,
        )


def _job_of(row: Mapping[str, Any]) -> ReplayJob:
    wanted = Wanted(
        row["integration_id"],
        tuple(map(State, row["states"])),
        row["since"],
        row["ended_since"],
        row["event_type"],
        tuple(map(Severity, row["severities"])),
    )
    same = ("id", "client_id", "takes_at_least", "reached", "replayed", "problem", "cancelled_by")
    times = ("created_at", "worked_at", "ended_at")
    return ReplayJob(
        actor=Actor(row["actor"], Role(row["role"]), Source(row["source"]), row["user_id"]),
        wanted=wanted,
        extent=Extent(row["total"], row["last_id"], tuple(row["sample"])),
        state=JobState(row["state"]),
        **{name: row[name] for name in (*same, *times)},
    )
