"""A search through a table, row by row from one end, that reads no more than it may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from wallarm_notify.domain.page import ALL_IDS, Ids, Reached, Slice
from wallarm_notify.domain.period import Period
from wallarm_notify.store.queries import Queries

SLACK: Final = timedelta(minutes=1)
"""By how much the order of ids may differ from that of times.

A row has the time at which its transaction began, and that is shorter.
"""


@dataclass(frozen=True, slots=True)
class Searched:
    """Where rows are searched for, and what is shown of them, in SQL.

    The table is ``n``, ``id`` its column of numbers, in whose order it is searched: from the newest row back, or from
    the oldest on where it is ``ascending``. ``at`` is its column of time. ``joined`` is read for rows that were found
    alone. ``shown`` has the number as ``id``, and the time.
    """

    table: str
    at: str
    shown: str
    joined: str = ""
    id: str = "id"
    ascending: bool = False

    @property
    def behind(self) -> str:
        """The condition that a row is behind the parameter ``cursor``."""
        sign = ">" if self.ascending else "<"
        return f"(CAST(:cursor AS bigint) IS NULL OR n.{self.id} {sign} :cursor)"

    @property
    def up_to(self) -> str:
        """The condition that a row is not behind the parameter ``end``, if that is given."""
        sign = "<=" if self.ascending else ">="
        return f"(CAST(:end AS bigint) IS NULL OR n.{self.id} {sign} :end)"

    @property
    def order(self) -> str:
        """The order in which it is searched."""
        return f"n.{self.id} {'ASC' if self.ascending else 'DESC'}"


class SearchQueries(Queries):
    """What a page of a listing is read by."""

    def _search(
        self,
        source: Searched,
        part: Slice,
        *,
        near: Sequence[str],
        rest: Sequence[str],
        **parameters: Any,
    ) -> tuple[Sequence[Mapping[str, Any]], Reached | None]:
        """Return rows of the slice ``part``, in order, and how far the search came.

        Candidates are the rows that ``near`` holds for, which has to be what an index has in the order of ids;
        ``rest`` selects among them. None for how far: there are no more candidates.
        """
        # Where the slice ends is asked first: between two statements rows come and go. Its time is asked of that row
        # alone, so that for the rows before it the index is enough: each lies on a page of its own.
        ends = self._rows(
            f"""SELECT e.{source.id} AS id, e.{source.at} AS at FROM {source.table} e WHERE e.{source.id} = (
                    SELECT n.{source.id} FROM {source.table} n
                    WHERE {source.behind} AND {_all(near)} ORDER BY {source.order} OFFSET :look - 1 LIMIT 1)""",  # noqa: S608 - constants
            cursor=part.cursor,
            look=part.look,
            **parameters,
        )
        end = Reached(**ends[0]) if ends else None
        found = self._rows(
            f"""SELECT {source.shown} FROM (
                    SELECT n.* FROM {source.table} n
                    WHERE {source.behind} AND {source.up_to} AND {_all([*near, *rest])}
                    ORDER BY {source.order} LIMIT :limit) n {source.joined}
                ORDER BY {source.order}""",  # noqa: S608 - constants
            cursor=part.cursor,
            end=end.id if end else None,
            limit=part.limit,
            **parameters,
        )
        if len(found) < part.limit:
            return found, end
        return found, Reached(found[-1]["id"], found[-1][source.at])

    def _search_few(
        self,
        source: Searched,
        part: Slice,
        *,
        few: int,
        among: Sequence[str],
        rest: Sequence[str],
        **parameters: Any,
    ) -> Sequence[Mapping[str, Any]] | None:
        """Return what ``_search`` would of the rows that ``among`` holds for; None: there are more than ``few``.

        They are read in whatever order their index has.
        """
        there = self._rows(
            f"SELECT count(*) AS n FROM (SELECT FROM {source.table} n WHERE {_all(among)} LIMIT :few + 1) n",  # noqa: S608 - constants
            few=few,
            **parameters,
        )
        if there[0]["n"] > few:
            return None
        # Without OFFSET the planner might search all rows from one end, to save sorting these.
        return self._rows(
            f"""SELECT {source.shown} FROM (
                    SELECT * FROM (SELECT n.* FROM {source.table} n WHERE {_all(among)} OFFSET 0) n
                    WHERE {source.behind} AND {_all(rest)}
                    ORDER BY {source.order} LIMIT :limit) n {source.joined}
                ORDER BY {source.order}""",  # noqa: S608 - constants
            cursor=part.cursor,
            limit=part.limit,
            **parameters,
        )

    def _ids(self, source: Searched, period: Period) -> Ids:
        """Return between which ids the rows of ``period`` are, and maybe some others."""
        since, until = period.since, period.until
        return Ids(
            0 if since is None else self._first_id(source, since - SLACK),
            ALL_IDS.beyond if until is None else self._first_id(source, until + SLACK),
        )

    def _first_id(self, source: Searched, moment: datetime) -> int:
        """Return the id from which on rows are of ``moment`` or later, found by halving the range of ids.

        Ids are in the order of time but for ``SLACK``. Where the database's clock was set back, it is one of the ids
        at which that time began.
        """
        rows = self._rows(
            f"""WITH RECURSIVE halved(low, high) AS (
                    SELECT coalesce(min(n.{source.id}), 0), coalesce(max(n.{source.id}) + 1, 0)
                    FROM {source.table} n
                    UNION ALL
                    SELECT CASE WHEN r.at < :moment THEN r.id + 1 ELSE h.low END,
                           CASE WHEN r.at < :moment THEN h.high ELSE (h.low + h.high) / 2 END
                    FROM halved h CROSS JOIN LATERAL (
                        SELECT n.{source.id} AS id, n.{source.at} AS at FROM {source.table} n
                        WHERE n.{source.id} >= (h.low + h.high) / 2 ORDER BY n.{source.id} LIMIT 1) r
                    WHERE h.low < h.high)
                SELECT low FROM halved WHERE low >= high""",  # noqa: S608 - constants
            moment=moment,
        )
        return int(rows[0]["low"])


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "true"
