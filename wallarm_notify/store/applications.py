"""Queries of applications."""

from collections.abc import Collection, Sequence

from wallarm_notify.domain.application import Application
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope


class ApplicationQueries(Queries):
    """Applications. Whoever changes those of a client has locked its record."""

    def applications(self, scope: Scope, client_ids: Sequence[int]) -> list[Application]:
        """Return the applications of these clients, without deleted ones."""
        rows = self._rows(
            f"""SELECT client_id, id, name FROM applications
                WHERE client_id = ANY(CAST(:clients AS bigint[])) AND NOT deleted
                  AND {in_scope("client_id")}
                ORDER BY client_id, id""",  # noqa: S608 - a constant
            scope=scope.parameter,
            clients=list(client_ids),
        )
        return [Application(**row) for row in rows]

    def application(self, client_id: int, application_id: int) -> tuple[str, bool] | None:
        """Return an application's name and whether it is deleted; None: there was never one."""
        rows = self._rows(
            "SELECT name, deleted FROM applications WHERE client_id = :client AND id = :id",
            client=client_id,
            id=application_id,
        )
        return (rows[0]["name"], rows[0]["deleted"]) if rows else None

    def application_names(self, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """Return the names of applications, by client and number; what is deleted or was never there is left out."""
        rows = self._rows(
            """SELECT a.client_id, a.id, a.name
               FROM unnest(CAST(:clients AS bigint[]), CAST(:ids AS bigint[])) AS u(client_id, id)
               JOIN applications a ON a.client_id = u.client_id AND a.id = u.id AND NOT a.deleted""",
            clients=[client_id for client_id, _ in places],
            ids=[number for _, number in places],
        )
        return {(row["client_id"], row["id"]): row["name"] for row in rows}

    def next_application(self, client_id: int) -> tuple[int, int]:
        """Return the number of a client's next application, and how many it has."""
        (row,) = self._rows(
            """SELECT greatest(coalesce(max(id), 0), 0) + 1 AS next, count(*) FILTER (WHERE NOT deleted) AS n
               FROM applications WHERE client_id = :client""",
            client=client_id,
        )
        return row["next"], row["n"]

    def save_application(self, application: Application) -> None:
        """Write an application, whether there was one of its number or not."""
        self._do(
            """INSERT INTO applications (client_id, id, name) VALUES (:client, :id, :name)
               ON CONFLICT (client_id, id) DO UPDATE SET name = :name, deleted = false""",
            client=application.client_id,
            id=application.id,
            name=application.name,
        )

    def delete_application(self, client_id: int, application_id: int) -> None:
        """Mark an application as deleted."""
        self._do(
            "UPDATE applications SET deleted = true WHERE client_id = :client AND id = :id",
            client=client_id,
            id=application_id,
        )
