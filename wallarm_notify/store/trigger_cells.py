"""Queries of what triggers count, in cells, and of rogue endpoints (engine 15 and 16)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from wallarm_notify.domain.triggers.cells import CELLS, CellChange, CellKey, Reach
from wallarm_notify.domain.triggers.crossing import Near
from wallarm_notify.store.queries import Queries, array_of

_ADD_CELLS: Final = """
    INSERT INTO trigger_cells (trigger_id, version, cell, count, fired, event_ids, expires_at)
    SELECT u.trigger_id, u.version, u.cell, u.added, u.fired, CAST(u.event_ids AS uuid[]), u.expires_at
    FROM unnest(
        CAST(:trigger_id AS bigint[]), CAST(:version AS int[]), CAST(:cell AS bigint[]),
        CAST(:added AS bigint[]), CAST(:fired AS boolean[]), CAST(:event_ids AS text[]),
        CAST(:expires_at AS timestamptz[])
    ) AS u(trigger_id, version, cell, added, fired, event_ids, expires_at)
    ORDER BY u.trigger_id, u.version, u.cell
    ON CONFLICT (trigger_id, version, cell) DO UPDATE SET
        count = trigger_cells.count + excluded.count,
        fired = trigger_cells.fired OR excluded.fired,
        event_ids = trigger_cells.event_ids || excluded.event_ids
"""


class TriggerCellQueries(Queries):
    """Cells and rogue endpoints, which routing writes under the triggers' locks and PRUNE deletes."""

    def cells(self, counts: Reach, firings: Reach) -> dict[CellKey, Near]:
        """Return the counts of the cells in ``counts``, and the cells in ``firings`` that a firing ends with."""
        rows = self._rows(
            """SELECT c.trigger_id, c.version, c.cell, c.count
               FROM unnest(CAST(:trigger_ids AS bigint[]), CAST(:versions AS int[]),
                           CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS r(trigger_id, version, low, high)
               CROSS JOIN LATERAL (
                   SELECT * FROM trigger_cells s WHERE s.trigger_id = r.trigger_id
                     AND s.version = r.version AND s.cell BETWEEN r.low AND r.high) c
               UNION ALL
               SELECT c.trigger_id, c.version, c.cell, NULL
               FROM unnest(CAST(:fired_trigger_ids AS bigint[]), CAST(:fired_versions AS int[]),
                           CAST(:fired_lows AS bigint[]), CAST(:fired_highs AS bigint[]))
                    AS r(trigger_id, version, low, high)
               CROSS JOIN LATERAL (
                   SELECT * FROM trigger_cells s WHERE s.trigger_id = r.trigger_id
                     AND s.version = r.version AND s.cell BETWEEN r.low AND r.high AND s.fired) c""",
            **_columns(counts),
            **{f"fired_{name}": column for name, column in _columns(firings).items()},
        )
        near: dict[CellKey, Near] = defaultdict(Near)
        for row in rows:
            one = near[row["trigger_id"], row["version"]]
            if row["count"] is None:
                one.fired.append(row["cell"])
            else:
                one.counts[row["cell"]] = row["count"]
        return near

    def counted_events(self, windows: Sequence[tuple[CellKey, int]]) -> list[tuple[UUID, ...]]:
        """Return the ids of events counted in each window, newest cells first.

        A window is given by its trigger, version and last cell.
        """
        rows = self._rows(
            """SELECT w.number, c.event_ids
               FROM unnest(CAST(:trigger_ids AS bigint[]), CAST(:versions AS int[]), CAST(:ends AS bigint[]))
                    WITH ORDINALITY AS w(trigger_id, version, last, number)
               CROSS JOIN LATERAL (
                   SELECT s.cell, s.event_ids FROM trigger_cells s
                   WHERE s.trigger_id = w.trigger_id AND s.version = w.version
                     AND s.cell BETWEEN w.last - :cells + 1 AND w.last) c
               ORDER BY w.number, c.cell DESC""",
            trigger_ids=[key[0] for key, _ in windows],
            versions=[key[1] for key, _ in windows],
            ends=[end for _, end in windows],
            cells=CELLS,
        )
        found: dict[int, list[UUID]] = defaultdict(list)
        for row in rows:
            found[row["number"]] += row["event_ids"]
        return [tuple(found[number]) for number in range(1, len(windows) + 1)]

    def add_cells(self, changes: Sequence[CellChange]) -> None:
        """Add what was counted to the cells; this transaction has locked the triggers."""
        self._do(
            _ADD_CELLS,
            trigger_id=[c.key[0] for c in changes],
            version=[c.key[1] for c in changes],
            cell=[c.cell for c in changes],
            added=[c.added for c in changes],
            fired=[c.fired for c in changes],
            event_ids=[array_of(c.event_ids) for c in changes],
            expires_at=[c.expires_at for c in changes],
        )

    def insert_rogue_endpoints(
        self, endpoints: Collection[tuple[int, bytes]]
    ) -> set[tuple[int, bytes]]:
        """Store rogue endpoints by trigger, given in order; return those that were new."""
        rows = self._rows(
            """INSERT INTO rogue_endpoints (trigger_id, endpoint)
               SELECT u.trigger_id, u.endpoint
               FROM unnest(CAST(:ids AS bigint[]), CAST(:endpoints AS bytea[])) AS u(trigger_id, endpoint)
               ORDER BY u.trigger_id, u.endpoint
               ON CONFLICT DO NOTHING RETURNING trigger_id, endpoint""",
            ids=[trigger_id for trigger_id, _ in endpoints],
            endpoints=[endpoint for _, endpoint in endpoints],
        )
        return {(row["trigger_id"], bytes(row["endpoint"])) for row in rows}

    def prune_cells(self, limit: int) -> int:
        """Delete cells that no decision needs any more; return how many."""
        return self._do(
            """WITH old AS MATERIALIZED (
                   SELECT trigger_id, version, cell FROM trigger_cells WHERE expires_at < now()
                   ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
               )
               DELETE FROM trigger_cells c USING old
               WHERE (c.trigger_id, c.version, c.cell) = (old.trigger_id, old.version, old.cell)""",
            limit=limit,
        )

    def prune_rogue_endpoints(self, limit: int) -> int:
        """Delete the rogue endpoints of deleted triggers; return how many."""
        return self._do(
            """DELETE FROM rogue_endpoints WHERE (trigger_id, endpoint) IN (
                   SELECT h.trigger_id, h.endpoint FROM triggers t
                   CROSS JOIN LATERAL (
                       SELECT trigger_id, endpoint FROM rogue_endpoints s WHERE s.trigger_id = t.id LIMIT :limit) h
                   WHERE t.deleted_at IS NOT NULL LIMIT :limit)""",
            limit=limit,
        )


def _columns(reach: Reach) -> dict[str, list[int]]:
    rows = [(key[0], key[1], one.low, one.high) for key, found in reach.items() for one in found]
    names = ("trigger_ids", "versions", "lows", "highs")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
