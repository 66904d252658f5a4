"""Queries of listings of integrations, as people see them."""

from collections.abc import Mapping
from typing import Any, Final

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope

_SHOWN: Final = """i.id, i.client_id, i.name, i.region, i.key_last4, i.subscriptions, i.enabled,
    i.created_by, i.created_at, i.disabled_by, i.disabled_at, i.disabled_reason,
    (SELECT count(*) FROM notifications n
     WHERE n.integration_id = i.id AND n.state = 'failed'
       AND n.finished_at > now() - interval '24 hours') AS failed_24h"""


class IntegrationListingQueries(Queries):
    """Integrations as people see them."""

    def integration(self, scope: Scope, integration_id: int) -> Integration | None:
        """Return one integration as people see it; None: there is none."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM integrations i
                WHERE i.id = :id AND i.deleted_at IS NULL AND {in_scope("i.client_id")}""",  # noqa: S608 - constants
            id=integration_id,
            scope=scope.parameter,
        )
        return _integration_of(rows[0]) if rows else None

    def integrations(
        self, scope: Scope, client_id: int | None, after: int, limit: int
    ) -> list[Integration]:
        """Return integrations with ids above ``after``, by id."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM integrations i
                WHERE i.deleted_at IS NULL AND i.id > :after
                  AND (CAST(:client AS bigint) IS NULL OR i.client_id = :client)
                  AND {in_scope("i.client_id")}
                ORDER BY i.id LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            after=after,
            limit=limit,
        )
        return [_integration_of(row) for row in rows]

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
        failed_24h=row["failed_24h"],
    )
