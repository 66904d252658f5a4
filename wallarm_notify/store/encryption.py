"""Integration keys at rest: encrypted, and compared by fingerprints that do not reveal them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Final

from wallarm_notify.domain.integration import IntegrationKey

REMEMBERED: Final = 16_384
"""How many keys stay decrypted in the memory of a process that sends.

Decrypting one takes as long as sending an alert.
"""


def generate() -> str:
    """Return a new Fernet key, for WALLARM_NOTIFY_SECRET_KEYS."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - see KeyCipher

    return Fernet.generate_key().decode()


class KeyCipher:
    """What encrypts with the newest Fernet key and decrypts with any of them.

    Only making one imports the library: whoever asks for a list waits for what it loads, and needs no keys.
    """

    def __init__(self, fernet_keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet  # noqa: PLC0415 - see above

        self._wrong_key = InvalidToken
        self._fernet = MultiFernet([Fernet(key) for key in fernet_keys])
        self.decrypt = lru_cache(maxsize=REMEMBERED)(self._decrypt)
        """Return the key in a token; None where none of the Fernet keys made it."""

    def encrypt(self, key: IntegrationKey) -> bytes:
        """Return the encrypted ``key``, a Fernet token, as it is stored."""
        return self._fernet.encrypt(key.reveal().encode())

    def _decrypt(self, token: bytes) -> IntegrationKey | None:
        try:
            return IntegrationKey(self._fernet.decrypt(token).decode())
        except self._wrong_key:
            return None

    def rotate(self, token: bytes) -> bytes | None:
        """Return the secret in ``token`` under the newest Fernet key; None where no known key made it."""
        try:
            return self._fernet.rotate(token)
        except self._wrong_key:
            return None

    def seal(self, text: str) -> str:
        """Return ``text`` encrypted, with the time of now in it."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str, valid_for: timedelta) -> str | None:
        """Return the text that was sealed; None: it was not sealed here, or longer ago than that."""
        try:
            return self._fernet.decrypt(
                sealed.encode(), ttl=int(valid_for.total_seconds())
            ).decode()
        except self._wrong_key:
            return None

    def new_fingerprint_token(self) -> bytes:
        """Return a fresh secret for fingerprints, encrypted; an installation makes one, once."""
        return self._fernet.encrypt(secrets.token_bytes(32))

    def fingerprint(self, key: IntegrationKey, fingerprint_token: bytes) -> bytes | None:
        """Return the fingerprint of ``key``: an HMAC, equal for equal keys, which does not reveal the key.

        Return None where none of the Fernet keys made ``fingerprint_token``.
        """
        try:
            secret = self._fernet.decrypt(fingerprint_token)
        except self._wrong_key:
            return None
        return hmac.digest(secret, key.reveal().encode(), hashlib.sha256)
