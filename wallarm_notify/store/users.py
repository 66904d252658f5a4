"""Queries of users: the people who may sign in."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.store.queries import Queries, in_scope

_COLUMNS: Final = "id, client_id, email, name, role, enabled, created_at, created_by, last_login_at"


class UserQueries(Queries):
    """Users."""

    def insert_user(self, draft: UserDraft, by: str) -> User | None:
        """Store a new user and return it; None: somebody has the e-mail address already."""
        rows = self._rows(
            f"""INSERT INTO users (client_id, email, name, role, created_by)
                VALUES (:client_id, :email, :name, :role, :by)
                ON CONFLICT (email) DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
            client_id=draft.client_id,
            email=draft.email,
            name=draft.name,
            role=draft.role,
            by=by,
        )
        return _user_of(rows[0]) if rows else None

    def user(self, scope: Scope, user_id: int) -> User | None:
        """Return a user; None: there is none in ``scope``."""
        return self._found_user(scope, "id = :id", id=user_id)

    def lock_user(self, scope: Scope, user_id: int) -> User | None:
        """Return a user, locked; None: there is none in ``scope``."""
        return self._found_user(scope, "id = :id", lock="FOR UPDATE", id=user_id)

    def lock_user_of_email(self, scope: Scope, email: str) -> User | None:
        """Return the user of an e-mail address, locked; None: there is none in ``scope``."""
        return self._found_user(scope, "email = :email", lock="FOR UPDATE", email=email)

    def set_user_enabled(self, user_id: int, *, enabled: bool) -> None:
        """Enable or disable a user whose row is locked."""
        self._do_later(
            "UPDATE users SET enabled = :enabled WHERE id = :id", id=user_id, enabled=enabled
        )

    def set_user_role(self, user_id: int, role: Role) -> None:
        """Give a user whose row is locked another role."""
        self._do_later("UPDATE users SET role = :role WHERE id = :id", id=user_id, role=role)

    def users(self, scope: Scope, client_id: int | None, after: int, limit: int) -> list[User]:
        """Return users with ids above ``after``, by id, of one client where that is given."""
        rows = self._rows(
            f"""SELECT {_COLUMNS} FROM users
                WHERE id > :after AND {in_scope("client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR client_id = :client_id)
                ORDER BY id LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client_id=client_id,
            after=after,
            limit=limit,
        )
        return [_user_of(row) for row in rows]

    def emails_of(self, client_id: int, roles: Sequence[str], limit: int) -> list[str]:
        """Return the e-mail addresses of enabled users of a client who have one of ``roles``."""
        rows = self._rows(
            """SELECT email FROM users
               WHERE client_id = :client_id AND enabled AND role = ANY(CAST(:roles AS text[]))
               ORDER BY id LIMIT :limit""",
            client_id=client_id,
            roles=list(roles),
            limit=limit,
        )
        return [row["email"] for row in rows]

    def _found_user(
        self, scope: Scope, which: str, lock: str = "", **parameters: Any
    ) -> User | None:
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM users WHERE {which} AND {in_scope('client_id')} {lock}",  # noqa: S608 - constants
            scope=scope.parameter,
            **parameters,
        )
        return _user_of(rows[0]) if rows else None


def _user_of(row: Mapping[str, Any]) -> User:
    return User(**{**row, "role": Role(row["role"])})
