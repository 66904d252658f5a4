"""What others than Redis and Valkey say of themselves where they speak the same protocol."""

from __future__ import annotations

import pytest

from wallarm_notify.broker.redis_check import fault_of, warnings_of

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
