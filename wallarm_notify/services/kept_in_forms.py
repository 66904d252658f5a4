"""Keep in a form what nobody may read: a key that is not saved yet, or a test's alerts.

It is encrypted by the keys of WALLARM_NOTIFY_SECRET_KEYS and goes out in a hidden field. So no key is in a page, and
none is stored that somebody only tried. It is of use to the session that it was made for, for half an hour.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.integration import IntegrationKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wallarm_notify.domain.session import Session
    from wallarm_notify.services.context import Context

VALID_FOR: Final = timedelta(minutes=30)
"""So long a form keeps a key."""


@dataclass(frozen=True, slots=True)
class OpenedAlerts:
    """Alerts that a test opened: by the key of a stored integration, or by ``key`` in ``region``."""

    dedup_keys: Sequence[str]
    integration_id: int | None = None
    region: str = ""
    key: IntegrationKey | None = None


def keep_key(ctx: Context, session: Session, key: IntegrationKey) -> str:
    """Return a key as a form of this session keeps it. Raise Unavailable."""
    return _sealed(ctx, session, {"key": key.reveal()})


def kept_key(ctx: Context, session: Session, sealed: str) -> IntegrationKey | None:
    """Return the key that a form kept; None: none, another session's, or too long ago. Raise Unavailable."""
    kept = _unsealed(ctx, session, sealed)
    return None if kept is None or "dedup_keys" in kept else IntegrationKey.parse(kept["key"])


def keep_opened(ctx: Context, session: Session, opened: OpenedAlerts) -> str:
    """Return what a form of this session keeps to close the alerts of a test. Raise Unavailable."""
    kept = {
        "dedup_keys": list(opened.dedup_keys),
        "integration_id": opened.integration_id,
        "region": opened.region,
        "key": None if opened.key is None else opened.key.reveal(),
    }
    return _sealed(ctx, session, kept)


def kept_opened(ctx: Context, session: Session, sealed: str) -> OpenedAlerts | None:
    """Return the alerts that a form kept; None: see ``kept_key``. Raise Unavailable."""
    kept = _unsealed(ctx, session, sealed)
    if kept is None or "dedup_keys" not in kept:
        return None
    key = None if kept["key"] is None else IntegrationKey.parse(kept["key"])
    return OpenedAlerts(kept["dedup_keys"], kept["integration_id"], kept["region"], key)


def _sealed(ctx: Context, session: Session, kept: Mapping[str, Any]) -> str:
    text = json.dumps({"session": session.id, **kept})
    return ctx.store.transact(lambda tx: tx.cipher.seal(text))


def _unsealed(ctx: Context, session: Session, sealed: str) -> dict[str, Any] | None:
    if not sealed:
        return None
    text = ctx.store.transact(lambda tx: tx.cipher.unseal(sealed, VALID_FOR))
    # An integration's stored key is encrypted by the same keys: it is no document, and of no session.
    if text is None or not text.startswith("{"):
        return None
    kept: dict[str, Any] = json.loads(text)
    return kept if kept["session"] == session.id else None
