"""Queries that check whether this process can decrypt the integration keys that are stored."""

from typing import Final

from wallarm_notify.store.queries import Queries

_SAMPLES: Final = 8

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SORTED: Final = "".join(sorted(_ALPHABET))


class KeySampleQueries(Queries):
    """A sample of the stored keys."""

    def has_secrets(self) -> bool:
        """Return whether anything is stored that was encrypted with a secret key."""
        return bool(self._rows("SELECT FROM installation LIMIT 1"))

    def locked_up_keys(self) -> list[int]:
        """Return which of a few enabled integrations have a key that cannot be decrypted.

        At most twice ``_SAMPLES`` are tried. They are spread evenly over the times at which their tokens were
        made, the oldest and the newest included: a Fernet token does not name its key, and the keys changed with
        time. A token begins with its time, in twelve characters of base64, which sort by time once base64's
        alphabet is translated into the order of ASCII.
        """
        rows = self._rows(
            """SELECT id, key_token
               FROM (SELECT id, key_token, count(*) OVER () AS n,
                         row_number() OVER (ORDER BY made COLLATE "C", id) - 1 AS i
                     FROM (SELECT id, key_token,
                               translate(left(encode(key_token, 'escape'), 12), :alphabet, :sorted) AS made
                           FROM integrations
                           WHERE enabled AND deleted_at IS NULL AND key_token IS NOT NULL) m) r
               WHERE i = n - 1 OR i % greatest(n / :samples, 1) = 0
               ORDER BY id""",
            samples=_SAMPLES,
            alphabet=_ALPHABET,
            sorted=_SORTED,
        )
        return [r["id"] for r in rows if self.cipher.decrypt(bytes(r["key_token"])) is None]
