from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kombu.transport import redis as transport

from wallarm_notify.broker.redis_transport import NotingChannel, install

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def our_channel(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are taken from Redis in our way, until the test is over."""
    monkeypatch.setattr(transport.Transport, "Channel", transport.Transport.Channel)
    monkeypatch.setattr(transport, "MultiChannelPoller", transport.MultiChannelPoller)
    monkeypatch.setattr(NotingChannel, "together", frozenset())
    install()
