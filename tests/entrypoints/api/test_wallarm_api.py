"""A client that was written for Wallarm's own API, and knows nothing of ours: ``wallarm-api`` of PyPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wallarm_api import wallarm_api

from entrypoints.api.owned import owned
from wallarm_notify.domain.event import Subscription

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine


@pytest.fixture
def client(api: HttpApi, line: CommandLine) -> Any:
    made = line.json("tokens", "create", "--client", 1, "--role", "admin", "--with-uuid")
    # It hands out one client per process, for as long as any lives: that of a test before knows a server that is gone.
    wallarm_api.Singleton._instances.clear()
    return wallarm_api.WallarmAPI(made["uuid"], made["secret"], api.url)


def test_it_lists_integrations(client: Any, line: CommandLine) -> None:
    assert client.integrations_api.get_integrations(1) == []
    number = line.integration("--name", "SOC", "--subscribe", "system")
    (found,) = client.integrations_api.get_integrations(1)
    assert (found.id, found.name, found.active, found.type) == (number, "SOC", True, "pager_duty")
    assert [one["event"] for one in found.events] == list(Subscription)


def test_it_lists_triggers(client: Any, line: CommandLine) -> None:
    assert client.triggers_api.get_triggers(1).triggers == []
    mine = owned(line, 1)
    line.ok(
        *("triggers", "create", "--client", 1, "--condition", "attacks_exceeded"),
        *("--threshold", "30 in 1h", "--filter", "pool=-1", "--integration", mine.integration_id),
    )
    each, counted = client.triggers_api.get_triggers(1).triggers
    assert (each.id, each.template_id, each.thresholds) == (mine.trigger_id, "user_created", [])
    assert counted.thresholds == [{"operator": "gt", "period": 3600, "count": 30}]
    assert [(one.id, one.type) for one in counted.filters] == [("pool", "integer")]


def test_it_lists_the_audit_log(client: Any, line: CommandLine) -> None:
    mine = owned(line, 1)
    line.ok("integrations", "disable", mine.integration_id, "--reason", "maintenance")
    line.ok("clients", "set", 1, "--name", "Acme")
    objects = client.audit_log_api.get_log({}).objects
    listed = [(one.action.value, one.object_type.value) for one in objects]
    assert [one for one in listed if one[1] in {"client", "integration", "triggers.trigger"}] == [
        *(("update", "client"), ("update", "integration")),
        *(("create", "triggers.trigger"), ("create", "integration")),
    ]


def test_it_lists_users(client: Any, line: CommandLine) -> None:
    assert client.users_api.get_users({}).users == []
    line.ok(
        *("users", "create", "--client", 1, "--email", "ana@example.com", "--name", "Ana"),
        *("--role", "auditor"),
    )
    (found,) = client.users_api.get_users({"clientid": 1}).users
    assert (found.email, found.realname, found.permissions) == (
        *("ana@example.com", "Ana"),
        ["auditor"],
    )
