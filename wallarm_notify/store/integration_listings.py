"""Queries of listings of integrations, as people see them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.drill import LastDrill
from wallarm_notify.domain.integration import Integration, IntegrationState
from wallarm_notify.domain.notification import ENDED
from wallarm_notify.domain.page import Found, Slice
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.views import EndedInHour
from wallarm_notify.store.drills import of_this_way
from wallarm_notify.store.pause_ends import end_of
from wallarm_notify.store.queries import in_scope
from wallarm_notify.store.search import Searched, SearchQueries

_SHOWN: Final = f"""n.id, n.client_id, n.name, n.region, n.key_last4, n.subscriptions, n.summary, n.enabled,
    n.created_by, n.created_at, n.disabled_by, n.disabled_at, n.disabled_reason,
    {end_of("integrations", "n")} AS disabled_until,
    (SELECT count(*) FROM notifications m
     WHERE m.integration_id = n.id AND m.state = 'failed'
       AND m.finished_at > now() - interval '24 hours') AS failed_24h,
    d.began_at AS drilled_at, d.proven_at, d.answered_at, d.status_code, d.error"""  # noqa: S608 - a constant

_JOINED: Final = f"LEFT JOIN drills d ON {of_this_way('n')}"

_INTEGRATIONS: Final = Searched("integrations", "created_at", _SHOWN, _JOINED, ascending=True)

_STATE: Final = """CASE WHEN n.enabled THEN 'enabled' WHEN n.disabled_by = :review THEN 'disabled_automatically'
    ELSE 'disabled' END"""
"""An integration's ``domain.integration.IntegrationState``."""


class IntegrationListingQueries(SearchQueries):
    """Integrations as people see them."""

    def integration(self, scope: Scope, integration_id: int) -> Integration | None:
        """Return one integration as people see it; None: there is none."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM integrations n {_JOINED}
                WHERE n.id = :id AND n.deleted_at IS NULL AND {in_scope("n.client_id")}""",  # noqa: S608 - constants
            id=integration_id,
            scope=scope.parameter,
        )
        return _integration_of(rows[0]) if rows else None

    def integration_names(self, scope: Scope, ids: Sequence[int]) -> Mapping[int, str]:
        """Return what integrations are called, by id: deleted ones too."""
        rows = self._rows(
            f"""SELECT n.id, n.name FROM integrations n
                WHERE n.id = ANY(CAST(:ids AS bigint[])) AND {in_scope("n.client_id")}""",  # noqa: S608 - constants
            ids=list(ids),
            scope=scope.parameter,
        )
        return {row["id"]: row["name"] for row in rows}

    def integrations(
        self,
        scope: Scope,
        client_id: int | None,
        states: Sequence[IntegrationState],
        name: str | None,
        part: Slice,
    ) -> Found[Integration]:
        """Return the integrations in one of ``states`` among those of a slice, by id; no state stands for all.

        ``name`` is a part of the name, whatever the case of its letters; None: any.
        """
        whose = scope.only_client if client_id is None else client_id
        is_there = "n.deleted_at IS NULL"
        rows, reached = self._search(
            _INTEGRATIONS,
            part,
            near=[] if whose is None else ["n.client_id = :whose", is_there],
            rest=[
                is_there,
                in_scope("n.client_id"),
                *([f"{_STATE} = ANY(CAST(:states AS text[]))"] if states else []),
                *(["strpos(lower(n.name), lower(:name)) > 0"] if name else []),
            ],
            scope=scope.parameter,
            whose=whose,
            states=list(states),
            name=name,
            review=REVIEW.name,
        )
        return Found([_integration_of(row) for row in rows], reached)

    def disabled_integrations(self, scope: Scope, ids: Sequence[int]) -> dict[int, datetime | None]:
        """Return those of these integrations that are disabled, by id, and until when; None: for good."""
        rows = self._rows(
            f"""SELECT id, {end_of("integrations", "i")} AS disabled_until FROM integrations i
                WHERE id = ANY(CAST(:ids AS bigint[])) AND NOT enabled AND deleted_at IS NULL
                  AND {in_scope("client_id")}
                ORDER BY id""",  # noqa: S608 - constants
            scope=scope.parameter,
            ids=list(ids),
        )
        return {row["id"]: row["disabled_until"] for row in rows}

    def ended_by_hour(self, integration_id: int, since: datetime) -> list[EndedInHour]:
        """Return the hours that end after ``since`` and in which something was counted, the oldest first."""
        rows = self._rows(
            f"""SELECT hour, {", ".join(ENDED)} FROM ended_by_hour
                WHERE integration_id = :id AND hour > CAST(:since AS timestamptz) - interval '1 hour'
                ORDER BY hour""",  # noqa: S608 - names of our own
            id=integration_id,
            since=since,
        )
        return [EndedInHour(**{**row, "hour": row["hour"].astimezone(UTC)}) for row in rows]

    def prune_ended_by_hour(self, kept: timedelta, limit: int) -> int:
        """Delete counters of hours that began longer than ``kept`` ago; return how many."""
        return self._do(
            """DELETE FROM ended_by_hour WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM ended_by_hour WHERE hour < now() - CAST(:kept AS interval)
                   ORDER BY hour LIMIT :limit FOR UPDATE SKIP LOCKED))""",
            kept=kept,
            limit=limit,
        )

    def integration_ids(self, scope: Scope) -> set[int]:
        """Return the ids of the integrations in ``scope``, deleted ones too."""
        rows = self._rows(
            f"SELECT id FROM integrations WHERE {in_scope('client_id')}",  # noqa: S608 - a constant
            scope=scope.parameter,
        )
        return {row["id"] for row in rows}


def _integration_of(row: Mapping[str, Any]) -> Integration:
    return Integration(
        id=row["id"],
        client_id=row["client_id"],
        name=row["name"],
        region=row["region"],
        key_last4=row["key_last4"],
        subscriptions=tuple(row["subscriptions"]),
        enabled=row["enabled"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        disabled_by=row["disabled_by"],
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
        summary=SummaryForm(row["summary"]),
        disabled_until=row["disabled_until"],
        failed_24h=row["failed_24h"],
        proven_at=row["proven_at"],
        last_drill=None
        if row["answered_at"] is None
        else LastDrill(row["drilled_at"], row["status_code"], row["error"]),
    )
