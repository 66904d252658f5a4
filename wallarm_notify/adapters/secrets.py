"""Integration keys at rest: encrypted, and told apart by a fingerprint that is not one."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from wallarm_notify.domain.integration import IntegrationKey


def generate() -> str:
    """A new Fernet key, for WALLARM_NOTIFY_SECRET_KEYS."""
    return Fernet.generate_key().decode()


class KeyCipher:
    """Encrypts with the newest Fernet key, decrypts with any of them."""

    def __init__(self, fernet_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in fernet_keys])

    def encrypt(self, key: IntegrationKey) -> bytes:
        """The token that is stored."""
        return self._fernet.encrypt(key.reveal().encode())

    def decrypt(self, token: bytes) -> IntegrationKey | None:
        """The key in ``token``; None where none of our Fernet keys made it."""
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
