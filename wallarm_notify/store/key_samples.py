"""Whether the secret keys of this process open the integration keys that are stored."""

from typing import Final

from wallarm_notify.store.queries import Queries

_SAMPLES: Final = 8

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SORTED: Final = "".join(sorted(_ALPHABET))


class KeySampleQueries(Queries):
    """A few stored keys, tried."""

    def locked_up_keys(self) -> list[int]:
        """Of a few enabled integrations those whose key cannot be opened; at most twice ``_SAMPLES`` are tried.

        They are spread evenly by when their token was made, the oldest and the newest among them: a Fernet
        token does not name its key, and which one it was made with goes by the time. With that it begins:
        twelve characters, which sort by it once the alphabet of base64 is put in the order of ASCII.
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
