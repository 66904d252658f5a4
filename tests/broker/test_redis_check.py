"""What others than Redis and Valkey say of themselves where they speak the same protocol."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from wallarm_notify.broker.redis_check import fault_of, warnings_of
from wallarm_notify.broker.replication_check import has_least_replicas, replication_warnings

SOUND = {
    "cluster_enabled": 0,
    "role": "master",
    "maxmemory": 1024,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}


@pytest.mark.parametrize(
    ("info", "warnings"),
    [
        (SOUND, []),
        ({}, ["broker.not_known"]),
        (SOUND | {"role": "active-replica"}, []),
        (SOUND | {"maxmemory": "unlimited"}, ["broker.not_known"]),
        (
            SOUND | {"maxmemory": "unlimited", "maxmemory_policy": "allkeys-lru"},
            ["broker.not_known"],
        ),
        (SOUND | {"maxmemory": {"total": 1}}, ["broker.not_known"]),
        (SOUND | {"aof_enabled": "yes"}, ["broker.not_durable"]),
    ],
)
def test_what_a_server_says_in_words_of_its_own_refuses_no_start(
    info: dict[str, object], warnings: list[str]
) -> None:
    assert fault_of(info, may_evict=False) is None
    assert [warning.event for warning in warnings_of(info, None)] == warnings


class Configured:
    """A Redis that says so much of its configuration, or that refuses to."""

    def __init__(self, **settings: str) -> None:
        self._settings = settings

    def config_get(self, pattern: str) -> dict[str, str]:
        assert pattern == "min-replicas-*"
        if not self._settings:
            raise ResponseError(
                "NOPERM this user has no permissions to run the 'config|get' command"
            )
        return {name.replace("_", "-"): value for name, value in self._settings.items()}


@pytest.mark.parametrize(
    ("info", "configured", "is_so"),
    [
        ({"min_slaves_good_slaves": 0}, Configured(), True),
        ({}, Configured(min_replicas_to_write="1", min_replicas_max_lag="10"), True),
        ({}, Configured(min_replicas_to_write="0", min_replicas_max_lag="10"), False),
        (None, Configured(min_replicas_to_write="0", min_replicas_max_lag="10"), False),
        # Redis does not look at the one where the other is 0.
        ({}, Configured(min_replicas_to_write="1", min_replicas_max_lag="0"), False),
        ({}, Configured(something="else"), None),
        ({}, Configured(), None),
        (None, Configured(), None),
    ],
)
def test_whether_a_master_needs_a_replica_is_found_by_info_or_configuration(
    info: dict[str, object] | None, configured: Configured, is_so: bool | None
) -> None:
    assert has_least_replicas(configured, info) is is_so


@pytest.mark.parametrize(
    ("info", "least", "wait_replicas", "warnings"),
    [
        ({"connected_slaves": 1}, True, 1, []),
        ({"connected_slaves": 1}, True, 2, ["broker.too_few_replicas"]),
        ({"connected_slaves": 0}, True, 0, []),
        ({}, True, 2, []),
        (None, None, 2, ["broker.not_known"]),
    ],
)
def test_too_few_replicas_are_warned_of(
    info: dict[str, object] | None, least: bool | None, wait_replicas: int, warnings: list[str]
) -> None:
    found = replication_warnings(info, least=least, wait_replicas=wait_replicas)
    assert [warning.event for warning in found] == warnings
