"""The rights that docs/how-to/least-privilege.md gives the API on Redis are enough: nothing is refused to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from privileges import as_user, documented_broker, refusals

from e2e.api_process import Api, check_work_of_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.system import System
    from wallarm_notify.devstack.valkey import EmbeddedBroker


@pytest.fixture
def valkey() -> Iterator[EmbeddedBroker]:
    with documented_broker() as server:
        yield server


@pytest.fixture
def broker(valkey: EmbeddedBroker) -> str:
    """The URL of the broker for workers and beat."""
    return as_user(valkey.url, "worker")


def test_the_api_does_its_work_with_a_user_that_reads_no_message(
    system: System, valkey: EmbeddedBroker
) -> None:
    api = Api(system, WALLARM_NOTIFY_BROKER_URL=as_user(valkey.url, "api"))
    check_work_of_api(system, api)
    assert refusals(valkey.url) == []
