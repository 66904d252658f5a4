"""A consumer that keeps what Celery would throw away: messages that are no task of ours (spec 2)."""

import logging
from typing import Any, Final

from celery.worker.consumer import Consumer

from wallarm_notify.adapters.database import make_engine
from wallarm_notify.adapters.store import Store
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.settings import settings

log = logging.getLogger(__name__)

KEPT_BYTES: Final = 64_000


class KeepingConsumer(Consumer):
    """Stores undecodable messages and unknown tasks before they are acknowledged.

    Where they cannot be stored they are left unacknowledged, and the broker hands them out again.
    """

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """The body is not what its content type says."""
        if _keep(message, f"cannot be decoded: {exc}"):
            super().on_decode_error(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """It is not a task message."""
        if _keep(message, "is not a task message"):
            super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """It names a task that we do not have."""
        if _keep(message, f"names an unknown task: {exc}"):
            super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """It is a task message, but not a sound one, or of a content type that is refused."""
        if _keep(message, f"is not a valid task message: {exc}"):
            super().on_invalid_task(body, message, exc)


def _keep(message: Any, reason: str) -> bool:
    """Stores the first 64 kB of ``message``; whether it could.

    The consumer lives in the parent of the worker's processes, so it keeps no connection open.
    """
    raw = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    store = Store(make_engine(settings().database(), pool_size=0))
    try:
        store.transact(
            lambda tx: tx.store_undecodable(
                reason.replace("\0", "")[:500], message.content_type, raw[:KEPT_BYTES]
            )
        )
    except NotifyError as error:
        log.error("message.not_kept", extra={"error": str(error)})  # noqa: TRY400 - no traceback for what may pass
        return False
    log.error("message.undecodable", extra={"reason": reason[:200], "bytes": len(raw)})
    return True
