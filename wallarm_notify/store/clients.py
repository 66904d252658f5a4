"""Queries of clients: their records, and which clients there are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.client import ClientRecord
from wallarm_notify.domain.client_overview import ClientFigures
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope

_CLIENTS: Final = """
    SELECT k.id, c.name, c.cloud, c.partner_name, c.parent_id, coalesce(c.access, true) AS access
    FROM (SELECT id FROM clients UNION SELECT client_id FROM integrations
          UNION SELECT client_id FROM users UNION SELECT client_id FROM tokens) k
    LEFT JOIN clients c ON c.id = k.id"""

_IS_REACHED: Final = """i.deleted_at IS NULL AND i.enabled AND (cardinality(i.subscriptions) > 0 OR EXISTS (
    SELECT FROM triggers t WHERE t.client_id = i.client_id AND t.deleted_at IS NULL AND t.enabled
      AND i.id = ANY(t.integration_ids)))"""
"""The condition that integration ``i`` is sent something, by its subscriptions or by a trigger."""

_IS_UNREACHED: Final = f"""EXISTS (
        SELECT FROM integrations i WHERE i.client_id = k.id AND i.deleted_at IS NULL)
    AND NOT EXISTS (SELECT FROM integrations i WHERE i.client_id = k.id AND {_IS_REACHED})"""  # noqa: S608 - constants
"""The condition that client ``k`` has integrations, of which none is sent anything."""

_FIGURES: Final = f"""
    SELECT c.id, i.*, (SELECT n.received_at FROM events n
                       WHERE n.client_id = c.id ORDER BY n.no DESC LIMIT 1) AS last_event_at
    FROM unnest(CAST(:ids AS bigint[])) AS c(id)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE i.enabled) AS enabled,
            count(*) FILTER (WHERE NOT i.enabled) AS disabled,
            count(*) FILTER (WHERE NOT i.enabled AND i.disabled_by = :review) AS automatically,
            count(*) FILTER (WHERE {_IS_REACHED}) AS reached
        FROM integrations i WHERE i.client_id = c.id AND i.deleted_at IS NULL) i"""  # noqa: S608 - constants


class ClientQueries(Queries):
    """Clients. A client exists as soon as it has a record, an integration, a user or a token."""

    def client(self, client_id: int) -> tuple[str | None, str | None, str | None]:
        """Return a client's name, cloud and partner name, each None where it is unset."""
        rows = self._rows(
            "SELECT name, cloud, partner_name FROM clients WHERE id = :id", id=client_id
        )
        return (rows[0]["name"], rows[0]["cloud"], rows[0]["partner_name"]) if rows else (None,) * 3

    def clients(self, scope: Scope, after: int, limit: int) -> list[tuple[int, ClientRecord]]:
        """Return the clients with ids above ``after`` that exist or ever had an integration, by id."""
        rows = self._rows(
            f"""{_CLIENTS}
               WHERE k.id > :after AND {in_scope("k.id")} ORDER BY k.id LIMIT :limit""",
            scope=scope.parameter,
            after=after,
            limit=limit,
        )
        return [(row["id"], _record_of(row)) for row in rows]

    def sought_clients(
        self,
        scope: Scope,
        after: int,
        limit: int,
        name: str,
        number: int | None,
        *,
        only_unreached: bool,
    ) -> list[tuple[int, ClientRecord]]:
        """Return those of ``clients`` with ``name`` in their names, or of this number; empty and None: all.

        With ``only_unreached`` they have integrations, of which none is sent anything.
        """
        rows = self._rows(
            f"""{_CLIENTS}
               WHERE k.id > :after AND {in_scope("k.id")} AND {_IS_UNREACHED if only_unreached else "true"}
                 AND (:name = '' OR strpos(lower(c.name), lower(:name)) > 0 OR k.id = :number)
               ORDER BY k.id LIMIT :limit""",
            scope=scope.parameter,
            after=after,
            limit=limit,
            name=name,
            number=number,
        )
        return [(row["id"], _record_of(row)) for row in rows]

    def client_figures(self, ids: Sequence[int]) -> dict[int, ClientFigures]:
        """Return what is counted for each of these clients."""
        rows = self._rows(_FIGURES, ids=list(ids), review=REVIEW.name)
        return {
            row["id"]: ClientFigures(
                enabled=row["enabled"],
                disabled=row["disabled"],
                automatically=row["automatically"],
                reached=row["reached"],
                last_event_at=row["last_event_at"],
            )
            for row in rows
        }

    def lock_client(self, client_id: int) -> ClientRecord:
        """Return what is recorded of a client, locked; where nothing is, make an empty record."""
        self._do_later(
            "INSERT INTO clients (id) VALUES (:id) ON CONFLICT (id) DO NOTHING", id=client_id
        )
        (row,) = self._rows(
            """SELECT name, cloud, partner_name, parent_id, access FROM clients
               WHERE id = :id FOR UPDATE""",
            id=client_id,
        )
        return _record_of(row)

    def has_children(self, client_id: int) -> bool:
        """Return whether a client is the parent of another."""
        rows = self._rows("SELECT FROM clients WHERE parent_id = :id LIMIT 1", id=client_id)
        return bool(rows)

    def set_client(
        self, client_id: int, *, name: str | None, cloud: str | None, partner_name: str | None
    ) -> None:
        """Set what is not None of a client's record."""
        self._do(
            """INSERT INTO clients AS c (id, name, cloud, partner_name)
               VALUES (:id, :name, :cloud, :partner)
               ON CONFLICT (id) DO UPDATE SET name = coalesce(:name, c.name),
                   cloud = coalesce(:cloud, c.cloud), partner_name = coalesce(:partner, c.partner_name)""",
            id=client_id,
            name=name,
            cloud=cloud,
            partner=partner_name,
        )

    def set_reach(self, client_id: int, *, parent_id: int | None, access: bool) -> None:
        """Set by whom a client, which is locked, is reached: its parent, and its own people and programs."""
        self._do(
            "UPDATE clients SET parent_id = :parent_id, access = :access WHERE id = :id",
            id=client_id,
            parent_id=parent_id,
            access=access,
        )


def _record_of(row: Mapping[str, Any]) -> ClientRecord:
    return ClientRecord(
        row["name"], row["cloud"], row["partner_name"], row["parent_id"], row["access"]
    )
