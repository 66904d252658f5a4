"""Queries of tokens: what people see of them, and what decides whether one lets somebody in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.caller import Admission, Owner
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.token import Credentials, Token, TokenDraft
from wallarm_notify.store.queries import Queries, in_scope

_SHOWN: Final = """t.id, t.client_id, t.user_id,
    (SELECT u.email FROM users u WHERE u.id = t.user_id) AS user_email, t.name, t.role, t.first_characters, t.uuid,
    t.expires_at, t.last_used_at, t.enabled, t.created_at, t.created_by"""

_ADMISSION: Final = """
    SELECT t.id AS token_id, t.client_id, t.user_id, t.name, t.role, t.enabled, t.expires_at, t.last_used_at,
        t.secret_hash, u.name AS owner_name, u.role AS owner_role, u.client_id AS owner_client_id,
        u.enabled AS owner_enabled, coalesce(c.access, true) AS access,
        ARRAY(SELECT k.id FROM clients k WHERE k.parent_id = t.client_id ORDER BY k.id) AS children
    FROM tokens t LEFT JOIN users u ON u.id = t.user_id LEFT JOIN clients c ON c.id = t.client_id"""


class TokenQueries(Queries):
    """Tokens. Hashes of secrets are written and looked for, and never returned but for one comparison."""

    def insert_token(self, draft: TokenDraft, name: str, made: Credentials, by: str) -> Token:
        """Store a new token and return it."""
        (row,) = self._rows(
            f"""WITH t AS (
                    INSERT INTO tokens (client_id, user_id, name, role, expires_at, created_by,
                        token_hash, first_characters, uuid, secret_hash)
                    VALUES (:client_id, :user_id, :name, :role, :expires_at, :by,
                        :token_hash, :first_characters, CAST(:uuid AS uuid), :secret_hash)
                    RETURNING *)
                SELECT {_SHOWN} FROM t""",  # noqa: S608 - a constant
            client_id=draft.client_id,
            user_id=draft.user_id,
            name=name,
            role=draft.role,
            expires_at=draft.expires_at,
            by=by,
            **_stored(made),
        )
        return _token_of(row)

    def token(self, scope: Scope, token_id: int) -> Token | None:
        """Return a token; None: there is none in ``scope``."""
        return self._found_token(scope, token_id)

    def lock_token(self, scope: Scope, token_id: int) -> Token | None:
        """Return a token, locked; None: there is none in ``scope``."""
        return self._found_token(scope, token_id, lock="FOR UPDATE OF t")

    def renew_token(self, token_id: int, made: Credentials, expires_at: datetime | None) -> None:
        """Replace the secrets of a token whose row is locked, and when it expires."""
        self._do_later(
            """UPDATE tokens SET token_hash = :token_hash, first_characters = :first_characters,
                   uuid = CAST(:uuid AS uuid), secret_hash = :secret_hash, expires_at = :expires_at
               WHERE id = :id""",
            id=token_id,
            expires_at=expires_at,
            **_stored(made),
        )

    def disable_token(self, token_id: int) -> None:
        """Disable a token whose row is locked."""
        self._do_later("UPDATE tokens SET enabled = false WHERE id = :id", id=token_id)

    def tokens(self, scope: Scope, client_id: int | None, after: int, limit: int) -> list[Token]:
        """Return tokens with ids above ``after``, by id, of one client where that is given."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM tokens t
                WHERE t.id > :after AND {in_scope("t.client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR t.client_id = :client_id)
                ORDER BY t.id LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
            after=after,
            limit=limit,
        )
        return [_token_of(row) for row in rows]

    def admission_by_hash(self, token_hash: bytes) -> Admission | None:
        """Return what decides on the token of a hash; None: there is none."""
        return self._admission("t.token_hash = :token_hash", token_hash=token_hash)

    def admission_by_uuid(self, uuid: UUID) -> Admission | None:
        """Return what decides on the token that a UUID stands for; None: there is none."""
        return self._admission("t.uuid = CAST(:uuid AS uuid)", uuid=str(uuid))

    def admission_by_id(self, token_id: int) -> Admission | None:
        """Return what decides on a token; None: there is none."""
        return self._admission("t.id = :id", id=token_id)

    def note_use(self, token_id: int, now: datetime) -> None:
        """Write when a token was used, unless another process is about to."""
        self._do_later(
            """UPDATE tokens SET last_used_at = :now WHERE id = (
                   SELECT id FROM tokens WHERE id = :id FOR UPDATE SKIP LOCKED)""",
            id=token_id,
            now=now,
        )

    def _found_token(self, scope: Scope, token_id: int, lock: str = "") -> Token | None:
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM tokens t
                WHERE t.id = :id AND {in_scope("t.client_id")} {lock}""",  # noqa: S608 - constants
            id=token_id,
            scope=scope.parameter,
        )
        return _token_of(rows[0]) if rows else None

    def _admission(self, which: str, **parameters: Any) -> Admission | None:
        rows = self._rows(f"{_ADMISSION} WHERE {which}", **parameters)
        return _admission_of(rows[0]) if rows else None


def _stored(made: Credentials) -> dict[str, Any]:
    pair = made.pair
    return {
        "token_hash": made.token.hash,
        "first_characters": made.token.first_characters,
        "uuid": None if pair is None else str(pair.uuid),
        "secret_hash": None if pair is None else pair.secret.hash,
    }


def _token_of(row: Mapping[str, Any]) -> Token:
    return Token(**{**row, "role": Role(row["role"]), "uuid": _uuid_of(row["uuid"])})


def _uuid_of(value: Any) -> UUID | None:
    return value if value is None or isinstance(value, UUID) else UUID(value)


def _admission_of(row: Mapping[str, Any]) -> Admission:
    secret_hash = row["secret_hash"]
    owner = None
    if row["owner_role"] is not None:
        owner = Owner(
            row["owner_name"],
            Role(row["owner_role"]),
            row["owner_client_id"],
            row["owner_enabled"],
        )
    return Admission(
        token_id=row["token_id"],
        client_id=row["client_id"],
        user_id=row["user_id"],
        name=row["name"],
        role=Role(row["role"]),
        enabled=row["enabled"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        secret_hash=None if secret_hash is None else bytes(secret_hash),
        owner=owner,
        access=row["access"],
        children=row["children"],
    )
