"""Queries of the failure ratio: counters by the minute, the review's candidates, and outages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, Final

from wallarm_notify.domain.evidence import (
    Crossing,
    ReviewCandidate,
)
from wallarm_notify.domain.health import (
    COUNTED,
    EXCUSABLE,
    NUMBERS,
    TIMES,
    Cell,
    Counts,
    Policy,
    Window,
    minute_of,
)
from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.operation import AttemptsInMinute, Recent
from wallarm_notify.domain.outage import (
    OUTAGE_WINDOW,
    Hour,
    SmallOutage,
)
from wallarm_notify.store.queries import Queries, parameters_of, rows_of
from wallarm_notify.store.table_columns import TYPES

_HEALTH_MINUTES: Final = TYPES["health_minutes"]

_FIRSTS: Final = tuple(name for name in TIMES if name.endswith("first_at"))
_LASTS: Final = tuple(name for name in TIMES if name.endswith("last_at"))


_ADD: Final = f"""
    INSERT INTO health_minutes AS m (integration_id, generation, minute, failed, {", ".join(COUNTED)})
    SELECT u.integration_id, u.generation, u.minute,
        u.network + u.server + u.throttled + u.client + u.other, {", ".join(f"u.{c}" for c in COUNTED)}
    FROM {{rows}}
    ORDER BY u.integration_id, u.generation, u.minute
    ON CONFLICT (integration_id, generation, minute) DO UPDATE SET failed = m.failed + excluded.failed,
        {", ".join(f"{c} = m.{c} + excluded.{c}" for c in NUMBERS)},
        {", ".join(f"{c} = least(m.{c}, excluded.{c})" for c in _FIRSTS)},
        {", ".join(f"{c} = greatest(m.{c}, excluded.{c})" for c in _LASTS)}
"""  # noqa: S608 - names of our own

_SUMS: Final = ", ".join(
    [
        *(f"coalesce(sum(m.{c}), 0) AS {c}" for c in NUMBERS),
        *(f"min(m.{c}) AS {c}" for c in _FIRSTS),
        *(f"max(m.{c}) AS {c}" for c in _LASTS),
    ]
)
"""The sums of counters ``m``."""

_WITHIN: Final = "m.minute >= :start AND m.minute <= :now"


def _covered(region: str, moment: str) -> str:
    """Return the condition that an outage of ``region`` covers ``moment``; it reads the outages once for all rows."""
    return f"""{moment} <@ (SELECT coalesce(range_agg(tstzrange(began_at, ended_at)), '{{}}')
        FROM outages WHERE region = '{region}')"""  # noqa: S608 - names of our own


def in_outage(region: str, moment: str) -> str:
    """Return the condition that an outage of the region in the column ``region`` covers ``moment``."""
    cases = " ".join(f"WHEN '{name}' THEN {_covered(name, moment)}" for name in REGIONS)
    return f"CASE {region} {cases} ELSE false END"


_EXCUSABLE_FAILURES: Final = " + ".join(f"m.{kind}" for kind in EXCUSABLE)

_COUNTED_FAILURES: Final = ", ".join(
    f"""sum(m.failed - CASE WHEN :guard AND ('{region}' = ANY(CAST(:down AS text[])) OR {_covered(region, "m.minute")})
        THEN {_EXCUSABLE_FAILURES} ELSE 0 END) AS failed_{region}"""
    for region in REGIONS
)
"""The failures of counters ``m`` that count for the ratio, computed for each region (domain.health.Window).

The region of an integration is looked up for its sums: there are millions of minutes.
"""

_COUNTED_THERE: Final = f"""CASE i.region
    {" ".join(f"WHEN '{region}' THEN f.failed_{region}" for region in REGIONS)} END"""


def _parts(region: str, minutes: str) -> str:
    """Return the query of counters' sums by integration and clean window, those in an outage apart."""
    return f"""SELECT m.integration_id, m.generation, {in_outage(region, "m.minute")} AS in_outage, {_SUMS}
        FROM {minutes} WHERE {_WITHIN}"""  # noqa: S608 - constants


_EACH_BY_ITSELF: Final = f"""LEFT JOIN LATERAL (
    {_parts("s.region", "health_minutes m")}
      AND m.integration_id = s.id AND m.generation = s.generation
    GROUP BY 1, 2, 3) w ON true"""
"""A join that reads the minutes of each candidate by themselves: fast for few candidates."""

_ALL_AT_ONCE: Final = f"""LEFT JOIN (
    {_parts("i.region", "health_minutes m JOIN integrations i ON i.id = m.integration_id")}
    GROUP BY 1, 2, 3) w ON w.integration_id = s.id AND w.generation = s.generation"""
"""A join that reads the minutes of all integrations once: 3 s instead of 35 s for 10,000 candidates."""

MANY_CANDIDATES: Final = 1000
"""From so many candidates on, all minutes are read once."""


class HealthQueries(Queries):
    """Counters by the minute, outages, and the candidates of a review."""

    def count_attempts(self, cells: Mapping[Cell, Counts]) -> None:
        """Add to the counters, in the transaction that records the attempts."""
        if cells:
            ordered = sorted(cells)
            values: dict[str, list[Any]] = {
                "integration_id": [c.integration_id for c in ordered],
                "generation": [c.generation for c in ordered],
                "minute": [c.minute for c in ordered],
                **{name: [getattr(cells[c], name) for c in ordered] for name in COUNTED},
            }
            self._do_later(
                _ADD.format(rows=rows_of(_HEALTH_MINUTES, values)), **parameters_of(values)
            )

    def last_hour(self) -> list[Hour]:
        """Return the last hour of each integration, as far as it lies in its clean window."""
        rows = self._rows(
            f"""SELECT i.region, coalesce(i.key_fingerprint, '') AS key, m.attempts, m.excusable,
                    coalesce(m.succeeded_at >= m.failed_at, m.succeeded_at IS NOT NULL) AS taken
                FROM (SELECT m.integration_id, m.generation, sum(m.attempts) AS attempts,
                          sum({_EXCUSABLE_FAILURES}) AS excusable,
                          max(m.succeeded_last_at) AS succeeded_at,
                          greatest(max(m.excusable_last_at), max(m.own_last_at)) AS failed_at
                      FROM health_minutes m WHERE {_WITHIN} GROUP BY 1, 2) m
                JOIN integrations i ON i.id = m.integration_id AND i.generation = m.generation
                WHERE i.region IS NOT NULL""",  # noqa: S608 - constants
            start=minute_of(self.now) - OUTAGE_WINDOW,
            now=self.now,
        )
        return [
            Hour(r["region"], bytes(r["key"]), r["attempts"], r["excusable"], r["taken"])
            for r in rows
        ]

    def recent_attempts(self, within: timedelta) -> Recent:
        """Return what was attempted within so long, to the minute."""
        (row,) = self._rows(
            """SELECT coalesce(sum(attempts), 0) AS attempts, coalesce(sum(failed), 0) AS failed
               FROM health_minutes WHERE minute >= now() - :within""",
            within=within,
        )
        return Recent(int(row["attempts"]), int(row["failed"]))

    def attempts_by_minute(self, within: timedelta) -> list[AttemptsInMinute]:
        """Return what was attempted within so long, by the minute; those without attempts are left out."""
        rows = self._rows(
            """SELECT minute, sum(attempts) AS attempts, sum(failed) AS failed
               FROM health_minutes WHERE minute >= now() - :within GROUP BY minute ORDER BY minute""",
            within=within,
        )
        return [
            AttemptsInMinute(
                row["minute"].astimezone(UTC), int(row["attempts"]), int(row["failed"])
            )
            for row in rows
        ]

    def small_outages(self) -> dict[str, SmallOutage]:
        """Return the small outages that are known, by region."""
        rows = self._rows("SELECT region, began_at, seen_at FROM small_outages")
        return {row["region"]: SmallOutage(row["began_at"], row["seen_at"]) for row in rows}

    def keep_small_outage(self, region: str, known: SmallOutage | None) -> None:
        """Store what is known of a region's small outage; None: there is none."""
        if known is None:
            self._do("DELETE FROM small_outages WHERE region = :region", region=region)
            return
        self._do(
            """INSERT INTO small_outages (region, began_at, seen_at) VALUES (:region, :began, :seen)
               ON CONFLICT (region) DO UPDATE SET began_at = excluded.began_at, seen_at = excluded.seen_at""",
            region=region,
            began=known.began_at,
            seen=known.seen_at,
        )

    def see_outage(self, region: str, grace: timedelta) -> bool:
        """Note that a region of PagerDuty has been down for the last hour; return whether that is new.

        An outage that no review saw for that hour and ``grace`` has ended, and this is another one.
        """
        self._do(
            """UPDATE outages SET ended_at = greatest(began_at, seen_at + :grace)
               WHERE region = :region AND ended_at IS NULL AND seen_at + :grace < now() - :hour""",
            region=region,
            grace=grace,
            hour=OUTAGE_WINDOW,
        )
        rows = self._rows(
            """INSERT INTO outages (region, began_at, seen_at) VALUES (:region, :began, now())
               ON CONFLICT (region) WHERE ended_at IS NULL DO UPDATE SET seen_at = now()
               RETURNING xmax = 0 AS news""",
            region=region,
            began=minute_of(self.now) - OUTAGE_WINDOW,
        )
        return bool(rows[0]["news"])

    def end_outage(self, region: str, grace: timedelta) -> bool:
        """Note that the outage of a region is over; return whether there was one.

        Where no review looked for longer than ``grace``, it ended that long after the last one saw it.
        """
        return bool(
            self._do(
                """UPDATE outages SET ended_at = greatest(began_at, least(now(), seen_at + :grace))
                   WHERE region = :region AND ended_at IS NULL""",
                region=region,
                grace=grace,
            )
        )

    def outages_going_on(self) -> set[str]:
        """Return the regions of PagerDuty that were down at the last review."""
        return {
            row["region"] for row in self._rows("SELECT region FROM outages WHERE ended_at IS NULL")
        }

    def survey(self, policy: Policy) -> list[ReviewCandidate]:
        """Return the enabled integrations that may have reached a warning or the limit, with their windows.

        Integrations with enough failures are found by a partial index that has all columns it takes; the others
        are those whose last warning still stands. Only of these, all attempts are added up.
        """
        # Its time grows with what fails, in the worst case with everything there is.
        self._do("SET LOCAL statement_timeout = '50s'")
        self._do("SET LOCAL work_mem = '64MB'")
        rows = self._rows(
            f"""SELECT f.integration_id, f.generation
                FROM (SELECT m.integration_id, m.generation, {_COUNTED_FAILURES} FROM health_minutes m
                      WHERE m.failed > 0 AND {_WITHIN}
                      GROUP BY 1, 2 HAVING sum(m.failed) >= :least) f
                JOIN integrations i ON i.id = f.integration_id AND {_COUNTED_THERE} >= :least
                UNION SELECT id, generation FROM integrations WHERE warned > 0 AND enabled""",  # noqa: S608 - a constant
            start=policy.window_from(self.now),
            now=self.now,
            down=sorted(self.outages_going_on()),
            least=policy.least_failures,
            guard=policy.outage_guard,
        )
        return self._candidates([(r["integration_id"], r["generation"]) for r in rows], policy)

    def candidate(
        self, integration_id: int, generation: int, policy: Policy
    ) -> ReviewCandidate | None:
        """Return one integration with its window; None where it is disabled or has a newer window."""
        found = self._candidates([(integration_id, generation)], policy)
        return found[0] if found else None

    def _candidates(
        self, whose: Sequence[tuple[int, int]], policy: Policy
    ) -> list[ReviewCandidate]:
        """Return the candidates of ``whose``, integrations and generations, that are enabled and still of these."""
        rows = self._rows(
            f"""WITH candidates AS MATERIALIZED (
                    SELECT i.id, i.generation, i.warned, i.region
                    FROM unnest(CAST(:ids AS bigint[]), CAST(:generations AS int[])) AS u(id, generation)
                    JOIN integrations i ON i.id = u.id AND i.generation = u.generation AND i.enabled)
                SELECT s.id, s.generation, s.warned, s.region, coalesce(w.in_outage, false) AS in_outage,
                    {", ".join(f"w.{c}" for c in COUNTED)}
                FROM candidates s
                {_ALL_AT_ONCE if len(whose) > MANY_CANDIDATES else _EACH_BY_ITSELF}
                ORDER BY s.id""",  # noqa: S608 - constants
            start=policy.window_from(self.now),
            now=self.now,
            ids=[i for i, _ in whose],
            generations=[generation for _, generation in whose],
        )
        down = self.outages_going_on()
        parts: dict[int, dict[bool, Counts]] = {}
        for row in rows:
            parts.setdefault(row["id"], {})[row["in_outage"]] = counts_of(row)
        warned = {row["id"]: (row["generation"], row["warned"]) for row in rows}
        regions = {row["id"]: row["region"] for row in rows}
        return [
            ReviewCandidate(
                i,
                *warned[i],
                Window(part.get(False, Counts()), part.get(True, Counts()), regions[i] in down),
            )
            for i, part in parts.items()
        ]

    def move_warnings(self, crossings: Sequence[Crossing]) -> set[int]:
        """Store which warnings stand now; return the integrations where they stood otherwise before."""
        rows = self._rows(
            """WITH moved AS MATERIALIZED (
                   SELECT i.id, u.now FROM integrations i
                   JOIN unnest(CAST(:ids AS bigint[]), CAST(:generations AS int[]),
                       CAST(:before AS int[]), CAST(:now AS int[])) AS u(id, generation, before, now)
                     ON i.id = u.id AND i.generation = u.generation AND i.warned = u.before
                   ORDER BY i.id FOR UPDATE OF i
               )
               UPDATE integrations i SET warned = moved.now FROM moved WHERE i.id = moved.id
               RETURNING i.id""",
            ids=[c.integration_id for c in crossings],
            generations=[c.generation for c in crossings],
            before=[c.before for c in crossings],
            now=[c.now for c in crossings],
        )
        return {row["id"] for row in rows}

    def prune_health(self, window: timedelta, retention: timedelta, limit: int) -> int:
        """Delete counters that no window and no outage's hour needs any more; return how many.

        Outages and disablings are deleted after ``retention``; a disabling that still stands is kept.
        """
        self._do("DELETE FROM outages WHERE ended_at < now() - :retention", retention=retention)
        self._do(
            """DELETE FROM switch_offs s WHERE at < now() - :retention AND NOT EXISTS (
                   SELECT FROM integrations i WHERE i.id = s.integration_id
                     AND NOT i.enabled AND i.deleted_at IS NULL AND i.disabled_at = s.at)""",
            retention=retention,
        )
        return self._do(
            """DELETE FROM health_minutes WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM health_minutes WHERE minute < :start
                   ORDER BY minute LIMIT :limit FOR UPDATE SKIP LOCKED))""",
            start=minute_of(self.now) - max(window, OUTAGE_WINDOW),
            limit=limit,
        )


def counts_of(row: Mapping[str, Any]) -> Counts:
    """Return the counts in a row that has every counter of ``COUNTED``; null counts as 0."""
    held: dict[str, Any] = {name: int(row[name] or 0) for name in NUMBERS}
    return Counts(**held, **{name: row[name] for name in TIMES})
