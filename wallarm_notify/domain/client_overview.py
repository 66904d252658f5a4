"""Clients at a glance: whether anything reaches anybody of each, and when its last event came."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wallarm_notify.domain.client import Client


class ClientState(StrEnum):
    """Whether a client's events reach anybody."""

    WELL = "well"
    SOME_OFF = "some off"
    """An integration is off by its failures, and others are on."""
    NOBODY = "nobody"
    """It has integrations, and nothing is sent to any."""
    EMPTY = "empty"
    """It has no integration."""


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """What is counted for a client.

    ``automatically`` are those of the disabled integrations that their failures disabled. ``reached`` are the enabled
    ones that something leads to: they subscribe to events, or an enabled trigger names them.
    """

    enabled: int = 0
    disabled: int = 0
    automatically: int = 0
    reached: int = 0
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientOverview:
    """A client at a glance."""

    client: Client
    figures: ClientFigures

    @property
    def id(self) -> int:
        """The client's number."""
        return self.client.id

    @property
    def state(self) -> ClientState:
        """Whether its events reach anybody."""
        figures = self.figures
        if not figures.enabled + figures.disabled:
            return ClientState.EMPTY
        if not figures.reached:
            return ClientState.NOBODY
        return ClientState.SOME_OFF if figures.automatically else ClientState.WELL
