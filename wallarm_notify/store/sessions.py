"""Queries of sessions of the console, and of the links by which people sign in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.caller import UserAdmission
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.session import (
    IDLE,
    LONGEST,
    MOST_SESSIONS,
    Session,
    ShownSession,
    Way,
)
from wallarm_notify.store.queries import Queries, in_scope

_COLUMNS: Final = "s.id, s.way, s.user_id, s.token_id, s.created_at, s.last_used_at, s.ended_at"

_SHOWN: Final = f"""
    SELECT {_COLUMNS}, coalesce(u.email, t.name) AS who, coalesce(u.client_id, t.client_id) AS client_id,
        coalesce(u.role, t.role) AS role
    FROM sessions s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN tokens t ON t.id = s.token_id
    WHERE ((u.id IS NOT NULL AND {in_scope("u.client_id")}) OR (t.id IS NOT NULL AND {in_scope("t.client_id")}))"""  # noqa: S608 - constants
"""Sessions of somebody in the parameter ``scope``, with who that is."""

_OF_WHOM: Final = ("who", "client_id", "role")

_ADMISSION: Final = """
    SELECT u.id AS user_id, u.client_id, u.email, u.name, u.role, u.enabled, coalesce(c.access, true) AS access,
        ARRAY(SELECT k.id FROM clients k WHERE k.parent_id = u.client_id ORDER BY k.id) AS children
    FROM users u LEFT JOIN clients c ON c.id = u.client_id"""


class SessionQueries(Queries):
    """Sessions and links. Hashes of secrets are written and looked for, and never returned."""

    def insert_link(self, secret_hash: bytes, user_id: int, expires_at: datetime) -> None:
        """Store a link by which a user signs in."""
        self._do_later(
            """INSERT INTO sign_in_links (secret_hash, user_id, expires_at)
               VALUES (:hash, :user_id, :expires_at)""",
            hash=secret_hash,
            user_id=user_id,
            expires_at=expires_at,
        )

    def use_link(self, secret_hash: bytes, now: datetime) -> int | None:
        """Use up a link; return whom it signs in. None: it is unknown, used or expired."""
        rows = self._rows(
            """DELETE FROM sign_in_links WHERE secret_hash = :hash
               RETURNING user_id, expires_at > :now AS is_valid""",
            hash=secret_hash,
            now=now,
        )
        return int(rows[0]["user_id"]) if rows and rows[0]["is_valid"] else None

    def user_of_link(self, secret_hash: bytes, now: datetime) -> int | None:
        """Return whom a link would sign in. None: it is unknown, used or expired."""
        rows = self._rows(
            "SELECT user_id FROM sign_in_links WHERE secret_hash = :hash AND expires_at > :now",
            hash=secret_hash,
            now=now,
        )
        return int(rows[0]["user_id"]) if rows else None

    def insert_session(
        self, secret_hash: bytes, way: Way, user_id: int | None, token_id: int | None, now: datetime
    ) -> Session:
        """Store a new session and return it; note when its user signed in last.

        Of its user, or its token, the newest 20 are kept, those that have ended last of all.
        """
        if user_id is not None:
            self._do_later(
                "UPDATE users SET last_login_at = :now WHERE id = :id", now=now, id=user_id
            )
        (row,) = self._rows(
            f"""INSERT INTO sessions AS s (secret_hash, way, user_id, token_id, created_at, last_used_at)
                VALUES (:hash, :way, :user_id, :token_id, :now, :now) RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
            hash=secret_hash,
            way=way,
            user_id=user_id,
            token_id=token_id,
            now=now,
        )
        whose = "token_id = :id AND user_id IS NULL" if user_id is None else "user_id = :id"
        self._do_later(
            f"""DELETE FROM sessions WHERE id = ANY(ARRAY(
                   SELECT id FROM sessions WHERE {whose}
                   ORDER BY (ended_at IS NULL) DESC, id DESC OFFSET :most))""",  # noqa: S608 - one of two
            id=token_id if user_id is None else user_id,
            most=MOST_SESSIONS,
        )
        return _session_of(row)

    def session_by_hash(self, secret_hash: bytes) -> Session | None:
        """Return the session of a hash; None: there is none."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM sessions s WHERE s.secret_hash = :hash",  # noqa: S608 - a constant
            hash=secret_hash,
        )
        return _session_of(rows[0]) if rows else None

    def note_session_use(self, session_id: int, now: datetime) -> None:
        """Write when a session was used, unless another process is about to."""
        self._do_later(
            """UPDATE sessions SET last_used_at = :now WHERE id = (
                   SELECT id FROM sessions WHERE id = :id FOR UPDATE SKIP LOCKED)""",
            id=session_id,
            now=now,
        )

    def session(self, scope: Scope, session_id: int) -> ShownSession | None:
        """Return a session; None: there is none of anybody in ``scope``."""
        rows = self._rows(f"{_SHOWN} AND s.id = :id", id=session_id, scope=scope.parameter)
        return _shown_session(rows[0]) if rows else None

    def open_sessions(
        self, scope: Scope, user_id: int | None, now: datetime, after: int, limit: int
    ) -> list[ShownSession]:
        """Return the sessions that let somebody in, with ids above ``after``, of one user where that is given."""
        rows = self._rows(
            f"""{_SHOWN} AND s.id > :after AND s.ended_at IS NULL AND s.last_used_at > :used_after
                  AND s.created_at > :created_after
                  AND (CAST(:user_id AS bigint) IS NULL OR s.user_id = :user_id)
                ORDER BY s.id LIMIT :limit""",
            scope=scope.parameter,
            user_id=user_id,
            used_after=now - IDLE,
            created_after=now - LONGEST,
            after=after,
            limit=limit,
        )
        return [_shown_session(row) for row in rows]

    def end_session(self, session_id: int) -> None:
        """End a session."""
        self._do_later(
            "UPDATE sessions SET ended_at = now() WHERE id = :id AND ended_at IS NULL",
            id=session_id,
        )

    def end_sessions_of_user(self, user_id: int) -> None:
        """End all sessions of a user, and take back the links that were given out."""
        self._do_later(
            "UPDATE sessions SET ended_at = now() WHERE user_id = :id AND ended_at IS NULL",
            id=user_id,
        )
        self._do_later("DELETE FROM sign_in_links WHERE user_id = :id", id=user_id)

    def end_sessions_of_token(self, token_id: int) -> None:
        """End all sessions that were begun by a token."""
        self._do_later(
            "UPDATE sessions SET ended_at = now() WHERE token_id = :id AND ended_at IS NULL",
            id=token_id,
        )

    def user_admission(self, user_id: int) -> UserAdmission | None:
        """Return what decides on a user; None: there is none."""
        return self._user_admission("u.id = :id", id=user_id)

    def user_admission_by_email(self, email: str) -> UserAdmission | None:
        """Return what decides on the user of an e-mail address; None: there is none."""
        return self._user_admission("u.email = :email", email=email)

    def prune_sessions(self, limit: int) -> int:
        """Delete sessions that have ended and links that have expired; return how many, up to ``limit`` of each."""
        links = self._do(
            """DELETE FROM sign_in_links WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM sign_in_links WHERE expires_at < now() LIMIT :limit
                   FOR UPDATE SKIP LOCKED))""",
            limit=limit,
        )
        # Twice as long as a session may idle: the clock of who serves it may be another one.
        return links + self._do(
            """DELETE FROM sessions WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM sessions WHERE last_used_at < now() - CAST(:idle AS interval)
                   ORDER BY last_used_at LIMIT :limit FOR UPDATE SKIP LOCKED))""",
            idle=2 * IDLE,
            limit=limit,
        )

    def _user_admission(self, which: str, **parameters: Any) -> UserAdmission | None:
        rows = self._rows(f"{_ADMISSION} WHERE {which}", **parameters)
        return UserAdmission(**{**rows[0], "role": Role(rows[0]["role"])}) if rows else None


def _session_of(row: Mapping[str, Any]) -> Session:
    return Session(**{**row, "way": Way(row["way"])})


def _shown_session(row: Mapping[str, Any]) -> ShownSession:
    kept = {name: value for name, value in row.items() if name not in _OF_WHOM}
    return ShownSession(_session_of(kept), row["who"], row["client_id"], Role(row["role"]))
