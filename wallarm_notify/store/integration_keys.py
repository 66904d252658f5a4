"""Queries of integration keys: encryption, fingerprints, and the row of each key's grants."""

from json import dumps

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.integration import IntegrationKey, Stored
from wallarm_notify.domain.rate_limit import moment_of
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope


class IntegrationKeyQueries(Queries):
    """Keys and fingerprints."""

    def _fingerprint_token(self) -> bytes:
        """Return the encrypted secret of the installation's fingerprints; make it at its first use."""
        self._do(
            """INSERT INTO installation (fingerprint_token) SELECT :token
               WHERE NOT EXISTS (SELECT FROM installation) ON CONFLICT DO NOTHING""",
            token=self.cipher.new_fingerprint_token(),
        )
        return bytes(
            self._rows("SELECT fingerprint_token FROM installation")[0]["fingerprint_token"]
        )

    def fingerprint(self, key: IntegrationKey) -> bytes:
        """Return the fingerprint of ``key``. Raise Unavailable where the installation's secret cannot be decrypted."""
        fingerprint = self.cipher.fingerprint(key, self._fingerprint_token())
        if fingerprint is None:
            raise Unavailable(
                "WALLARM_NOTIFY_SECRET_KEYS lacks the key this installation's secrets were encrypted with; "
                "add it after the newest one."
            )
        return fingerprint

    def _make_grants(self, fingerprint: bytes) -> None:
        """Make the row of a key's grants: routing makes none, as it must not wait for other transactions."""
        self._do_later(
            """INSERT INTO rate_limits (key_fingerprint, grants, touched_at) VALUES (:f, '{}', now())
               ON CONFLICT (key_fingerprint) DO UPDATE SET touched_at = now()""",
            f=fingerprint,
        )

    def same_key(self, scope: Scope, key: IntegrationKey, but: int) -> list[int]:
        """Return the other integrations, deleted ones left out, that have this key."""
        rows = self._rows(
            f"""SELECT id FROM integrations
                WHERE key_fingerprint = :f AND deleted_at IS NULL AND id <> :but
                  AND {in_scope("client_id")}
                ORDER BY id""",  # noqa: S608 - a constant
            scope=scope.parameter,
            f=self.fingerprint(key),
            but=but,
        )
        return [row["id"] for row in rows]

    def integration_key(self, stored: Stored) -> IntegrationKey:
        """Return the key of an integration, to send with. Raise Unavailable where it cannot be decrypted."""
        key = self.cipher.decrypt(stored.key_token)
        if key is None:
            raise Unavailable(
                f"integration {stored.id}: WALLARM_NOTIFY_SECRET_KEYS lacks the key that its integration key "
                "was encrypted with; add it after the newest one."
            )
        return key

    def note_grants(self, key: IntegrationKey, number: int) -> None:
        """Count test alerts among the key's grants of the rate limit; they themselves wait for none."""
        self._do(
            """INSERT INTO rate_limits (key_fingerprint, grants, touched_at)
               VALUES (:f, jsonb_build_object('sent', CAST(:sent AS jsonb)), now())
               ON CONFLICT (key_fingerprint) DO UPDATE SET touched_at = now(),
                   grants = jsonb_set(rate_limits.grants, '{sent}',
                       coalesce(rate_limits.grants -> 'sent', '[]') || CAST(:sent AS jsonb))""",
            f=self.fingerprint(key),
            sent=dumps([[moment_of(self.now.timestamp()), number]]),
        )

    def rotate_secrets(self) -> tuple[int, list[int]]:
        """Encrypt every secret anew with the newest Fernet key.

        Return how many, and the integrations whose key could not be decrypted.
        """
        locked_up: list[int] = []
        rows = self._rows(
            "SELECT id, key_token FROM integrations WHERE key_token IS NOT NULL ORDER BY id FOR UPDATE"
        )
        tokens = {}
        for row in rows:
            token = self.cipher.rotate(bytes(row["key_token"]))
            if token is None:
                locked_up.append(row["id"])
            else:
                tokens[row["id"]] = token
        done = len(tokens)
        self._do(
            """UPDATE integrations i SET key_token = u.token
               FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bytea[])) AS u(id, token)
               WHERE i.id = u.id""",
            ids=list(tokens),
            tokens=list(tokens.values()),
        )
        for row in self._rows("SELECT fingerprint_token FROM installation FOR UPDATE"):
            token = self.cipher.rotate(bytes(row["fingerprint_token"]))
            if token is None:
                raise Unavailable(
                    "WALLARM_NOTIFY_SECRET_KEYS lacks the key this installation's secrets were encrypted "
                    "with; nothing was changed. Add the old key after the new one."
                )
            self._do("UPDATE installation SET fingerprint_token = :token", token=token)
            done += 1
        return done, locked_up
