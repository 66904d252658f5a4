"""Replays over HTTP: a job is made, shown, listed and cancelled, and workers do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entrypoints.api.owned import Owned, owned
from wallarm_notify.domain.actor import Role
from wallarm_notify.services.replay_jobs import work_on_replay_jobs

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

REPLAYS = "/notify/v1/replays"


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, 1)


def test_a_replay_is_accepted_and_done_by_workers(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    filters = {
        "states": ["failed", "failed"],
        "severities": ["info"],
        "since": "2026-03-01T00:00:00+02:00",
        "type": "user.created",
    }
    answer = api.ask("POST", REPLAYS, {"integration_id": mine.integration_id, **filters})
    job = answer.json()
    assert (answer.status_code, job["state"]) == (202, "waiting")
    assert (job["total"], job["sample"]) == (1, [mine.notification_id])
    assert (job["states"], job["severities"], job["type"]) == (
        *(["failed"], ["info"]),
        "user.created",
    )
    assert job["since"] == "2026-02-28T22:00:00+00:00"
    assert job["seconds_at_rate_limit"] >= 1
    assert job["source"] == "api"
    work_on_replay_jobs(line.wiring.context)
    done = api.ok("GET", f"{REPLAYS}/{job['id']}", role=Role.READ_ONLY)
    assert (done["state"], done["replayed"]) == ("done", 1)
    assert done["ended_at"]
    assert [one["id"] for one in api.ok("GET", REPLAYS)["items"]] == [job["id"], mine.replay_id]


def test_without_filters_all_that_was_not_delivered_is_replayed(api: HttpApi, mine: Owned) -> None:
    job = api.ok("POST", REPLAYS, {"integration_id": mine.integration_id})
    assert set(job["states"]) == {"failed", "skipped", "cancelled"}
    assert job["severities"] == ["info", "warning", "error", "critical"]


def test_a_replay_is_cancelled_once(api: HttpApi, mine: Owned) -> None:
    job = api.ok("POST", REPLAYS, {"integration_id": mine.integration_id})
    path = f"{REPLAYS}/{job['id']}/cancel"
    assert api.ok("POST", path)["state"] == "cancelled"
    assert "is cancelled" in api.problem(400, "POST", path)["detail"]


def test_a_second_replay_of_an_integration_is_refused_while_one_goes_on(
    api: HttpApi, mine: Owned
) -> None:
    body = {"integration_id": mine.integration_id}
    api.ok("POST", REPLAYS, body)
    assert "already" in api.problem(400, "POST", REPLAYS, body)["detail"]


def test_who_sees_several_clients_lists_the_replays_of_one(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    others = owned(line, 2)

    def listed(client_id: int, role: Role) -> list[int]:
        page = api.ok("GET", f"{REPLAYS}?client_id={client_id}", role=role)
        return [one["id"] for one in page["items"]]

    assert listed(1, Role.OPERATOR) == [mine.replay_id]
    assert listed(2, Role.OPERATOR) == [others.replay_id]
    assert listed(2, Role.ADMINISTRATOR) == []


def test_what_is_wrong_is_named(api: HttpApi, mine: Owned) -> None:
    body = {"integration_id": "1", "states": ["delivered"], "since": "yesterday", "x": 1}
    found = api.problem(400, "POST", REPLAYS, body)
    assert {one["field"] for one in found["errors"]} == {
        *("integration_id", "states.0", "since", "x")
    }
    api.problem(400, "POST", REPLAYS, {"integration_id": mine.integration_id, "type": "no.such"})
