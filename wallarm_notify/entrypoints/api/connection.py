"""One connection of a client: whoever takes too long to ask, or to take an answer, loses it.

A head that comes a byte a second would hold its connection for ever, and so would the rest of a body after its answer.
The server's own time for an idle connection ends with the first byte.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""So long a request's head may take to come, from the connection or the last answer on."""

ANSWER_SECONDS: Final = 30.0
"""So long a client may take too little of an answer to go on with: a call holds its place until then."""


class PromptProtocol(H11Protocol):
    """A connection that ends where no head is whole, or no answer taken, in time."""

    _too_late: asyncio.TimerHandle | None = None
    _not_taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        """Await the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Read what came; a cycle of uvicorn begins with a whole head."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Await the next head, unless it came before the answer."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before:
            self._await_head()

    def pause_writing(self) -> None:
        """Wait until the client takes more of an answer."""
        super().pause_writing()
        self._not_taken = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with an answer."""
        self._stop_offering()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._stop_offering()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_waiting()
        self._too_late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _stop_offering(self) -> None:
        if self._not_taken is not None:
            self._not_taken.cancel()
            self._not_taken = None
