"""Whose things somebody may see and change: those of all clients, or of some."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class Scope:
    """The clients somebody is confined to; None: all there are.

    It ends in the WHERE of the query that reads or locks: to somebody else a thing is not there.
    """

    client_ids: frozenset[int] | None

    @property
    def parameter(self) -> list[int] | None:
        """The clients as a parameter of a query: see ``store.queries.in_scope``."""
        return None if self.client_ids is None else sorted(self.client_ids)

    @property
    def only_client(self) -> int | None:
        """The client, where somebody is confined to a single one."""
        if self.client_ids is None or len(self.client_ids) != 1:
            return None
        return next(iter(self.client_ids))

    def includes(self, client_id: int) -> bool:
        """Return whether the things of this client are within."""
        return self.client_ids is None or client_id in self.client_ids

    def check(self, client_id: int) -> None:
        """Raise NotFound where the things of this client are not within: for somebody else it is not there."""
        if not self.includes(client_id):
            raise NotFound(f"There is no client {client_id}.")


EVERY_CLIENT: Final = Scope(None)
"""The operator's scope."""


def only(client_ids: Iterable[int]) -> Scope:
    """Return the scope of these clients alone."""
    return Scope(frozenset(client_ids))
