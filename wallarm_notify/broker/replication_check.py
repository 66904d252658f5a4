"""The check at start of what a Redis with replicas may lose: see docs/how-to/another-broker.md."""

from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import ResponseError

from wallarm_notify.broker.uses import BrokerWarning
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.words import counted
from wallarm_notify.redis_connection import is_behind_sentinel

_LEAST: Final = "min-replicas-to-write"
_LAG: Final = "min-replicas-max-lag"

_SHOWN_IF_SET: Final = "min_slaves_good_slaves"
"""The field of INFO that is there where both settings are above 0."""


def check_replication(
    connection: Any, client: Any, info: Mapping[str, Any] | None, where: str
) -> list[BrokerWarning]:
    """Return the warnings about a Redis whose INFO is ``info``, if that is permitted.

    Raise Refused if it is a master behind Sentinel that takes writes without any replica.
    """
    least = has_least_replicas(client, info) if is_behind_sentinel(connection) else True
    if least is False:
        raise Refused(
            f"The broker at {where} takes writes without any replica (min-replicas-to-write 0), so a master that is "
            "cut off confirms events that a fail-over throws away; set min-replicas-to-write 1 and "
            "min-replicas-max-lag 10, on its replicas too."
        )
    return replication_warnings(info, least=least, wait_replicas=waits_for(connection))


def waits_for(connection: Any) -> int:
    """Return for how many replicas a publish of an event waits."""
    return int(connection.transport_options.get("wait_replicas", 0))


def has_least_replicas(client: Any, info: Mapping[str, Any] | None) -> bool | None:
    """Return whether a master takes writes only with a replica, or None where it does not say so."""
    if info is not None and _SHOWN_IF_SET in info:
        return True
    try:
        found = client.config_get("min-replicas-*")
        return int(found[_LEAST]) > 0 and int(found[_LAG]) > 0
    except (ResponseError, KeyError, ValueError):
        return None


def replication_warnings(
    info: Mapping[str, Any] | None, *, least: bool | None, wait_replicas: int
) -> list[BrokerWarning]:
    """Return the warnings about the replicas of a Redis whose INFO is ``info``.

    ``least``: whether it takes writes only with a replica, None if that is not known; True without Sentinel.
    """
    found = []
    if least is None:
        found.append(
            BrokerWarning(
                "broker.not_known",
                f"INFO does not show {_LEAST} and CONFIG GET is not permitted, so nobody knows whether a master that "
                f"is cut off goes on to confirm events; see that {_LEAST} is 1 at least, on each node.",
            )
        )
    connected = None if info is None else info.get("connected_slaves")
    if isinstance(connected, int) and connected < wait_replicas:
        found.append(
            BrokerWarning(
                "broker.too_few_replicas",
                f"The broker has {counted(connected, 'replica')}, and WALLARM_NOTIFY_BROKER_WAIT_REPLICAS is "
                f"{wait_replicas}: until it has as many, every publish of an event fails.",
            )
        )
    return found
