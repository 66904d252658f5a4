"""Queries of calls in quarantine, which came back from workers that died (engine 4)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.set_aside import SetAsideCall, TriedCall
from wallarm_notify.domain.views import ShownSetAside
from wallarm_notify.store.queries import OF_NOBODY, Queries

_SHOWN = "id, set_aside_at, retry_at, length(body) AS bytes, content_type"
_CALL = "id, digest, content_type, content_encoding, headers, body"


class QuarantineQueries(Queries):
    """Calls that are tried alone, and calls that are set aside."""

    def deaths_of(self, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return how many workers died with each of these calls alone in hand; unknown calls are left out."""
        rows = self._rows(
            "SELECT digest, deaths FROM quarantine WHERE digest = ANY(:digests)",
            digests=list(digests),
        )
        return {bytes(row["digest"]): row["deaths"] for row in rows}

    def begin_alone(self, digest: bytes) -> int:
        """Note that a worker begins a call alone; return how many workers died of it before.

        The beginning counts as a death until ``end_alone`` takes it back.
        """
        rows = self._rows(
            """INSERT INTO quarantine (digest, deaths) VALUES (:digest, 1)
               ON CONFLICT (digest) DO UPDATE SET deaths = quarantine.deaths + 1, noted_at = now()
               RETURNING deaths""",
            digest=digest,
        )
        return int(rows[0]["deaths"]) - 1

    def end_alone(self, digest: bytes, *, handed_back: bool) -> None:
        """Note that the worker lives: the beginning of the call was no death.

        A call that is stored is forgotten; one that is ``handed_back`` to the broker keeps its earlier deaths.
        """
        self._do(
            """DELETE FROM quarantine
               WHERE digest = :digest AND (NOT :handed_back OR (deaths <= 1 AND set_aside_at IS NULL))""",
            digest=digest,
            handed_back=handed_back,
        )
        if handed_back:
            self._do(
                "UPDATE quarantine SET deaths = greatest(deaths - 1, 0) WHERE digest = :digest",
                digest=digest,
            )

    def set_aside(self, call: TriedCall, *, deaths: int, again_in: timedelta) -> None:
        """Store a call whole, to be tried after ``again_in``.

        One death less than ``deaths`` is noted: the next worker that dies of it sets it aside again.
        """
        self._do(
            """INSERT INTO quarantine (digest, deaths, set_aside_at, retry_at, content_type, content_encoding,
                                       headers, body)
               VALUES (:digest, :deaths, now(), now() + :again_in, :content_type, :content_encoding,
                       :headers, :body)
               ON CONFLICT (digest) DO UPDATE SET
                   deaths = excluded.deaths, noted_at = now(),
                   set_aside_at = coalesce(quarantine.set_aside_at, now()), retry_at = excluded.retry_at,
                   content_type = excluded.content_type,
                   content_encoding = excluded.content_encoding, headers = excluded.headers,
                   body = excluded.body""",
            digest=call.digest,
            deaths=deaths - 1,
            again_in=again_in,
            content_type=call.content_type,
            content_encoding=call.content_encoding,
            headers=call.headers,
            body=call.body,
        )

    def due_set_aside(self, again_in: timedelta) -> SetAsideCall | None:
        """Return a call whose next try is due; None: there is none. The try after it comes ``again_in`` later."""
        rows = self._rows(
            f"""UPDATE quarantine SET retry_at = now() + :again_in WHERE id = (
                    SELECT id FROM quarantine WHERE retry_at <= now()
                    ORDER BY retry_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING {_CALL}, set_aside_at, retry_at""",  # noqa: S608 - a constant
            again_in=again_in,
        )
        return _call_of(rows[0]) if rows else None

    def set_aside_calls(self, scope: Scope, before: int | None, limit: int) -> list[ShownSetAside]:
        """Return the calls that are set aside, newest first, with the beginning of their bodies."""
        rows = self._rows(
            f"""SELECT {_SHOWN}, substring(body FOR 200) AS body FROM quarantine
                WHERE set_aside_at IS NOT NULL AND (CAST(:before AS bigint) IS NULL OR id < :before)
                  AND {OF_NOBODY}
                ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            before=before,
            limit=limit,
        )
        return [_shown(row) for row in rows]

    def set_aside_call(self, scope: Scope, call_id: int) -> ShownSetAside | None:
        """Return one call that is set aside, whole; None: there is none."""
        rows = self._rows(
            f"""SELECT {_SHOWN}, body FROM quarantine
                WHERE id = :id AND set_aside_at IS NOT NULL AND {OF_NOBODY}""",  # noqa: S608 - constants
            scope=scope.parameter,
            id=call_id,
        )
        return _shown(rows[0]) if rows else None

    def lock_set_aside(self, scope: Scope, call_id: int) -> SetAsideCall | None:
        """Return one call that is set aside, locked; None: there is none."""
        rows = self._rows(
            f"""SELECT {_CALL}, set_aside_at, retry_at FROM quarantine
                WHERE id = :id AND set_aside_at IS NOT NULL AND {OF_NOBODY} FOR UPDATE""",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=call_id,
        )
        return _call_of(rows[0]) if rows else None

    def forget_set_aside(self, call_id: int) -> None:
        """Delete a call that is set aside: its events were taken in by another way."""
        self._do("DELETE FROM quarantine WHERE id = :id", id=call_id)

    def prune_quarantine(self, retention: timedelta) -> int:
        """Delete calls older than ``retention`` that are not set aside; return 0, as the ledger does not count them."""
        self._do(
            "DELETE FROM quarantine WHERE set_aside_at IS NULL AND noted_at < now() - :retention",
            retention=retention,
        )
        return 0


def _shown(row: Mapping[str, Any]) -> ShownSetAside:
    return ShownSetAside(**{**row, "body": bytes(row["body"]).decode("utf-8", "replace")})


def _call_of(row: Mapping[str, Any]) -> SetAsideCall:
    return SetAsideCall(
        id=row["id"],
        set_aside_at=row["set_aside_at"],
        retry_at=row["retry_at"],
        call=TriedCall(
            digest=bytes(row["digest"]),
            content_type=row["content_type"],
            content_encoding=row["content_encoding"],
            headers=row["headers"],
            body=bytes(row["body"]),
        ),
    )
