"""Integration keys at rest: encrypted, and told apart by a fingerprint that is not one."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from wallarm_notify.domain.integration import IntegrationKey

REMEMBERED: Final = 16_384
"""So many keys stay decrypted in the memory of a process that sends: decrypting one takes as long as
sending an alert."""


def generate() -> str:
    """A new Fernet key, for WALLARM_NOTIFY_SECRET_KEYS."""
    return Fernet.generate_key().decode()


class KeyCipher:
    """Encrypts with the newest Fernet key, decrypts with any of them."""

    def __init__(self, fernet_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in fernet_keys])
        self.decrypt = lru_cache(maxsize=REMEMBERED)(self._decrypt)
        """The key in a token; None where none of our Fernet keys made it."""

    def encrypt(self, key: IntegrationKey) -> bytes:
        """The token that is stored."""
        return self._fernet.encrypt(key.reveal().encode())

    def _decrypt(self, token: bytes) -> IntegrationKey | None:
        try:
            return IntegrationKey(self._fernet.decrypt(token).decode())
        except InvalidToken:
            return None

    def rotate(self, token: bytes) -> bytes | None:
        """The same secret under the newest Fernet key; None where none of ours made ``token``."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken:
            return None

    def new_fingerprint_token(self) -> bytes:
        """A fresh secret for fingerprints, encrypted: made once for an installation."""
        return self._fernet.encrypt(secrets.token_bytes(32))

    def fingerprint(self, key: IntegrationKey, fingerprint_token: bytes) -> bytes | None:
        """HMAC of ``key``: equal keys have equal ones, and it cannot be turned back.

        None where none of our Fernet keys made ``fingerprint_token``.
        """
        try:
            secret = self._fernet.decrypt(fingerprint_token)
        except InvalidToken:
            return None
        return hmac.digest(secret, key.reveal().encode(), hashlib.sha256)
