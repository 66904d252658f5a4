"""Queries of drills: which integrations are due for one, and what became of the last one of each."""

from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.drill import Drilled, Unproven, next_after
from wallarm_notify.domain.integration import Stored
from wallarm_notify.store.queries import Queries


def of_this_way(i: str) -> str:
    """Return what joins the last drill ``d`` of an integration, the table ``i``.

    One by another key, or to the other region, proves nothing.
    """
    return f"d.integration_id = {i}.id AND d.region = {i}.region AND d.key_fingerprint = {i}.key_fingerprint"


_OF_THIS_WAY: Final = of_this_way("i")


class DrillQueries(Queries):
    """The last drill of each integration."""

    def due_for_drill(self, interval: timedelta, limit: int, *, after: int = 0) -> list[int]:
        """Return enabled integrations that are due for a drill: by id, those behind the id ``after`` first.

        Those that cannot be drilled stay due. Going round, not by age, they keep no other from its drill.
        """
        rows = self._rows(
            f"""SELECT i.id FROM integrations i LEFT JOIN drills d ON {_OF_THIS_WAY}
                WHERE i.enabled AND i.deleted_at IS NULL
                  AND (d.began_at IS NULL OR d.began_at > now()  -- the clock was set back
                       OR d.began_at <= now() - CASE WHEN d.settled THEN CAST(:settled AS interval)
                           ELSE CAST(:unsettled AS interval) END)
                ORDER BY i.id <= :after, i.id LIMIT :limit""",  # noqa: S608 - a constant
            settled=next_after(interval, settled=True),
            unsettled=next_after(interval, settled=False),
            after=after,
            limit=limit,
        )
        return [row["id"] for row in rows]

    def begin_drill(self, stored: Stored) -> datetime:
        """Note that a drill of an integration begins; return the moment, by which its answer finds it again.

        What another key or region had proven is forgotten.
        """
        way = {
            "id": stored.id,
            "region": stored.region,
            "fingerprint": stored.key_fingerprint,
        }
        self._do(
            """DELETE FROM drills
               WHERE integration_id = :id AND (region <> :region OR key_fingerprint <> :fingerprint)""",
            **way,
        )
        row = self._rows(
            # Not now(): of two that wait for each other both may have begun their transactions at one time.
            """INSERT INTO drills (integration_id, region, key_fingerprint, first_at, began_at)
               VALUES (:id, :region, :fingerprint, clock_timestamp(), clock_timestamp())
               ON CONFLICT (integration_id) DO UPDATE SET began_at = excluded.began_at, answered_at = NULL,
                   status_code = NULL, error = NULL, response = NULL, settled = NULL
               RETURNING began_at""",
            **way,
        )[0]
        began_at: datetime = row["began_at"]
        return began_at

    def end_drill(self, stored: Stored, began_at: datetime, done: Drilled) -> None:
        """Note the answer to the drill that began then, unless the key or the region has changed since.

        Where another one has begun since, its answer is the last one: only a proof counts then.
        """
        way = {
            "id": stored.id,
            "region": stored.region,
            "fingerprint": stored.key_fingerprint,
        }
        self._do(
            """UPDATE drills SET answered_at = clock_timestamp(), status_code = :status, error = :error,
                   response = :response, settled = :settled
               WHERE integration_id = :id AND region = :region AND key_fingerprint = :fingerprint
                 AND began_at = :began_at""",
            **way,
            began_at=began_at,
            status=done.answer.status,
            error=done.answer.reason,
            response=done.answer.response.replace("\0", "\ufffd"),
            settled=done.settled,
        )
        if done.passed:
            self._do(
                """UPDATE drills SET proven_at = clock_timestamp()
                   WHERE integration_id = :id AND region = :region AND key_fingerprint = :fingerprint""",
                **way,
            )

    def unproven(self, longer_than: timedelta, limit: int) -> list[Unproven]:
        """Return enabled integrations that were drilled and are unproven for so long, the longest first."""
        rows = self._rows(
            f"""SELECT i.id, i.client_id, d.proven_at, d.error, d.status_code
                FROM integrations i JOIN drills d ON {_OF_THIS_WAY}
                WHERE i.enabled AND i.deleted_at IS NULL
                  AND coalesce(d.proven_at, d.first_at) < now() - CAST(:longer AS interval)
                ORDER BY coalesce(d.proven_at, d.first_at), i.id LIMIT :limit""",  # noqa: S608 - a constant
            longer=longer_than,
            limit=limit,
        )
        return [Unproven(**row) for row in rows]

    def proofs(self) -> tuple[datetime | None, int]:
        """Return the oldest of the enabled integrations' last proofs, and how many failed their last drill."""
        row = self._rows(
            f"""SELECT min(d.proven_at) AS oldest, count(d.error) AS failed
                FROM integrations i JOIN drills d ON {_OF_THIS_WAY}
                WHERE i.enabled AND i.deleted_at IS NULL"""  # noqa: S608 - a constant
        )[0]
        return row["oldest"], row["failed"]
