"""Queries of clients: their records, and which clients there are."""

from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope


class ClientQueries(Queries):
    """Clients. A client exists as soon as it has an integration or a record."""

    def client(self, client_id: int) -> tuple[str | None, str | None, str | None]:
        """Return a client's name, cloud and partner name, each None where it is unset."""
        rows = self._rows(
            "SELECT name, cloud, partner_name FROM clients WHERE id = :id", id=client_id
        )
        return (rows[0]["name"], rows[0]["cloud"], rows[0]["partner_name"]) if rows else (None,) * 3

    def clients(
        self, scope: Scope, after: int, limit: int
    ) -> list[tuple[int, str | None, str | None, str | None]]:
        """Return clients with ids above ``after`` that have a record or ever had an integration, by id."""
        rows = self._rows(
            f"""SELECT k.id, c.name, c.cloud, c.partner_name
               FROM (SELECT id FROM clients UNION SELECT client_id FROM integrations) k
               LEFT JOIN clients c ON c.id = k.id
               WHERE k.id > :after AND {in_scope("k.id")} ORDER BY k.id LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            after=after,
            limit=limit,
        )
        return [(row["id"], row["name"], row["cloud"], row["partner_name"]) for row in rows]

    def lock_client(self, client_id: int) -> tuple[str | None, str | None, str | None]:
        """Return what is recorded of a client, locked; where nothing is, make an empty record."""
        self._do_later(
            "INSERT INTO clients (id) VALUES (:id) ON CONFLICT (id) DO NOTHING", id=client_id
        )
        (row,) = self._rows(
            "SELECT name, cloud, partner_name FROM clients WHERE id = :id FOR UPDATE", id=client_id
        )
        return row["name"], row["cloud"], row["partner_name"]

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
