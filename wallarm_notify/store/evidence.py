"""Queries of attempts: the evidence of decisions, and what another policy would have decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.evidence import FailureTally, LastAnswer, Slot, SwitchOff
from wallarm_notify.domain.health import (
    EXCUSABLE,
    Cell,
    Counts,
    FailureClass,
    Policy,
    Window,
    class_of,
)
from wallarm_notify.domain.outage import Place
from wallarm_notify.domain.outcome import FailureReason
from wallarm_notify.store.health import counts_of, in_outage
from wallarm_notify.store.queries import RESPONSE, Queries
from wallarm_notify.store.table_columns import HOUR


def _reasons(*kinds: FailureClass) -> str:
    reasons = [f"'{r}'" for r in FailureReason if class_of(r) in kinds]
    return f"a.error IN ({', '.join(reasons)})"


def _hour_of(moment: str) -> str:
    """Return the hour of a moment as the index of attempts has it."""
    return f"date_trunc('hour', CAST({moment} AS timestamptz) AT TIME ZONE 'UTC')"


_HOUR: Final = HOUR.replace("(at AT", "(a.at AT")

_OF_WINDOW: Final = f"""attempts a JOIN integrations i ON i.id = a.integration_id
    WHERE a.integration_id = :id AND a.generation = i.generation
      AND {_HOUR} BETWEEN {_hour_of(":start")} AND {_hour_of(":until")}
      AND a.at >= :start AND a.at <= :until"""
"""FROM and WHERE of an integration's attempts in its present clean window, between two moments."""

_COUNTS_OF_ATTEMPTS: Final = ", ".join(
    [
        "count(*) AS attempts",
        *(f"count(*) FILTER (WHERE {_reasons(kind)}) AS {kind}" for kind in FailureClass),
        *(
            f"{function}(a.at) FILTER (WHERE {which}) AS {name}_{end}_at"
            for name, which in (
                ("excusable", _reasons(*EXCUSABLE)),
                ("own", _reasons(*(set(FailureClass) - set(EXCUSABLE)))),
            )
            for end, function in (("first", "min"), ("last", "max"))
        ),
        "max(a.at) FILTER (WHERE a.error IS NULL) AS succeeded_last_at",
    ]
)
"""The columns that ``health_minutes`` has by the minute, counted in the attempts ``a``."""


class EvidenceQueries(Queries):
    """Automatic disablings with their evidence, counted in attempts."""

    def keep_switch_off(self, done: SwitchOff) -> None:
        """Store an automatic disabling with its evidence."""
        self._do(
            """INSERT INTO switch_offs (integration_id, generation, at, policy, evidence)
               VALUES (:id, :generation, now(), CAST(:policy AS jsonb), CAST(:evidence AS jsonb))""",
            id=done.integration_id,
            generation=done.generation,
            policy=dumps(done.policy),
            evidence=dumps(done.evidence),
        )

    def last_switch_off(self, integration_id: int) -> Mapping[str, Any] | None:
        """Return the time, policy and evidence of an integration's last automatic disabling; None: there is none."""
        rows = self._rows(
            """SELECT at, policy, evidence FROM switch_offs WHERE integration_id = :id
               ORDER BY id DESC LIMIT 1""",
            id=integration_id,
        )
        return rows[0] if rows else None

    def read_one_snapshot(self) -> None:
        """Make this transaction read only, and let all its queries see one state of the database.

        Each may take 50 s, unless the store was made for reading within less.
        """
        self._do("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if self._ends_at is None:
            self._do("SET LOCAL statement_timeout = '50s'")

    def window_of(self, integration_id: int, policy: Policy, until: datetime) -> Window:
        """Return an integration's window as it was at ``until``, counted in its attempts."""
        rows = self._rows(
            f"""SELECT {in_outage("i.region", "date_trunc('minute', a.at)")} AS in_outage,
                    {_COUNTS_OF_ATTEMPTS}
                FROM {_OF_WINDOW}
                GROUP BY 1""",  # noqa: S608 - constants
            id=integration_id,
            start=policy.window_from(until),
            until=until,
        )
        parts = {row["in_outage"]: counts_of(row) for row in rows}
        outage = self._rows(
            f"""SELECT {in_outage("i.region", "CAST(:at AS timestamptz)")} AS it_is
                FROM integrations i WHERE i.id = :id""",  # noqa: S608 - a constant
            id=integration_id,
            at=until,
        )
        return Window(
            parts.get(False, Counts()), parts.get(True, Counts()), outage=outage[0]["it_is"]
        )

    def failure_tallies(
        self, integration_id: int, start: datetime, until: datetime
    ) -> list[FailureTally]:
        """Return how often attempts between two moments failed, by error class and status code."""
        rows = self._rows(
            f"""SELECT a.error, a.status_code, count(*) AS number
                FROM {_OF_WINDOW} AND a.error IS NOT NULL
                GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",  # noqa: S608 - a constant
            id=integration_id,
            start=start,
            until=until,
        )
        return [
            FailureTally(FailureReason(r["error"]), r["status_code"], r["number"]) for r in rows
        ]

    def last_answer(
        self, integration_id: int, start: datetime, until: datetime, *, failed: bool = False
    ) -> LastAnswer | None:
        """Return the last answer between two moments; with ``failed``, to an attempt that failed."""
        rows = self._rows(
            f"""SELECT a.notification_id, a.at, a.status_code, a.error, {RESPONSE} AS response
                FROM {_OF_WINDOW} AND (NOT :failed OR a.error IS NOT NULL)
                ORDER BY {_HOUR} DESC, a.at DESC, a.notification_id DESC, a.fence DESC LIMIT 1""",  # noqa: S608 - a constant
            id=integration_id,
            start=start,
            until=until,
            failed=failed,
        )
        return LastAnswer(**rows[0]) if rows else None

    def slots(
        self, integration_id: int, start: datetime, until: datetime, number: int
    ) -> list[Slot]:
        """Return attempts and failures between two moments, in ``number`` equal slots of time."""
        step = (until - start) / number
        rows = self._rows(
            f"""SELECT least(CAST(floor(extract(epoch FROM a.at - :start) / :step) AS int), :last) AS slot,
                   count(*) AS attempts, count(a.error) AS failed
               FROM {_OF_WINDOW}
               GROUP BY 1""",  # noqa: S608 - a constant
            id=integration_id,
            start=start,
            until=until,
            step=step.total_seconds(),
            last=number - 1,
        )
        held = {row["slot"]: (row["attempts"], row["failed"]) for row in rows}
        return [Slot(start + step * (n + 1), *held.get(n, (0, 0))) for n in range(number)]

    def places(self) -> dict[int, Place]:
        """Return where each integration sends to; a deleted one whose region is wiped is left out."""
        rows = self._rows(
            """SELECT id, region, coalesce(key_fingerprint, '') AS key FROM integrations
               WHERE region IS NOT NULL"""
        )
        return {row["id"]: Place(row["region"], bytes(row["key"])) for row in rows}

    def minutes_of_attempts(self, start: datetime, end: datetime) -> list[tuple[Cell, Counts]]:
        """Return the attempts that began at ``start`` or later and before ``end``, counted by the minute."""
        self._do("SET LOCAL statement_timeout = '5min'")
        rows = self._rows(
            f"""SELECT a.integration_id, a.generation, date_trunc('minute', a.at, 'UTC') AS minute,
                    {_COUNTS_OF_ATTEMPTS}
                FROM integrations i JOIN attempts a ON a.integration_id = i.id
                  AND {_HOUR} BETWEEN {_hour_of(":start")} AND {_hour_of(":end")}
                WHERE a.at >= :start AND a.at < :end AND a.generation IS NOT NULL
                GROUP BY 1, 2, 3 ORDER BY 3, 1, 2""",  # noqa: S608 - constants
            start=start,
            end=end,
        )
        return [
            (Cell(row["integration_id"], row["generation"], row["minute"]), counts_of(row))
            for row in rows
        ]

    def healed_at(
        self, disabled: Sequence[tuple[int, int, datetime]]
    ) -> list[tuple[int, str | None, datetime | None]]:
        """Return client, name and next success of integrations, each given with generation and moment.

        A deleted integration has no name. The success is None where no later attempt of the generation succeeded.
        """
        rows = self._rows(
            f"""SELECT i.client_id, i.name, (
                   SELECT a.at FROM attempts a
                   WHERE a.integration_id = u.id AND {_HOUR} >= {_hour_of("u.at")}
                     AND a.generation = u.generation AND a.at > u.at AND a.error IS NULL
                   ORDER BY {_HOUR}, a.at LIMIT 1) AS healed_at
               FROM unnest(CAST(:ids AS bigint[]), CAST(:generations AS int[]),
                   CAST(:moments AS timestamptz[])) WITH ORDINALITY AS u(id, generation, at, place)
               JOIN integrations i ON i.id = u.id
               ORDER BY u.place""",  # noqa: S608 - constants
            ids=[i for i, _, _ in disabled],
            generations=[g for _, g, _ in disabled],
            moments=[at for _, _, at in disabled],
        )
        return [(row["client_id"], row["name"], row["healed_at"]) for row in rows]
