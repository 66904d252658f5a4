"""Computations over HTTP: asked for, shown, listed and cancelled, while workers do them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from entrypoints.api.owned import Owned, owned
from wallarm_notify.domain.actor import Role
from wallarm_notify.services.computations import work_on_computations

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

OURS = "/notify/v1"
PATH = f"{OURS}/computations"
OPERATOR = Role.OPERATOR
ATTACKS = {"condition": "attacks_exceeded", "threshold": {"count": 3, "period": 3600}}


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, 1)


def hours_ago(number: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=number)).isoformat()


def done(
    api: HttpApi, line: CommandLine, kind: str, sent: Any, role: Role = Role.ADMINISTRATOR
) -> Any:
    """Have something computed; return its document once a worker has done it."""
    answer = api.ask("POST", f"{PATH}/{kind}", sent, role=role)
    made = answer.json()
    assert (answer.status_code, made["state"], made["percent"], made["result"]) == (
        *(202, "waiting", 0, None),
    )
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    work_on_computations(line.wiring.context)
    ended = api.ok("GET", answer.headers["Location"], role=role)
    assert (ended["state"], ended["percent"], ended["problem"]) == ("done", 100, None)
    assert {**made, **{name: ended[name] for name in CHANGING}} == ended
    return ended


CHANGING = ("state", "percent", "words", "worked_at", "ended_at", "result")


def test_a_failure_ratio_is_explained_as_the_page_has_it(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    found = done(api, line, "explain", {"integration_id": mine.integration_id})
    assert (found["kind"], found["client_id"], found["source"]) == ("explain", 1, "api")
    page = api.ok("GET", f"{OURS}/integrations/{mine.integration_id}/failure-ratio")
    assert found["result"].keys() == page.keys()
    assert found["result"]["policy"] == page["policy"]


def test_a_policy_is_tried_as_the_command_tries_it(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    sent = {
        "ratio": 33.5,
        "window_seconds": 7200,
        "min_attempts": 3,
        "min_span_seconds": 0,
        "outage_guard": False,
        "since": hours_ago(5),
    }
    found = done(api, line, "simulate-policy", sent, OPERATOR)
    assert found["client_id"] is None
    same = line.json(
        *("policy", "simulate", "--ratio", "33.5", "--window", "2h", "--min-attempts", "3"),
        *("--min-span", "0s", "--no-outage-guard", "--since", sent["since"]),
    )
    assert {**found["result"], "until": 0} == {**same, "until": 0}


def test_the_description_has_the_result_of_each_kind_and_where_a_computation_is(
    api: HttpApi,
) -> None:
    found = api.ok("GET", f"{OURS}/openapi.json", role=None)
    accepted = found["paths"][f"{PATH}/explain"]["post"]["responses"]["202"]
    assert accepted["headers"]["Location"]["schema"] == {"type": "string"}
    (name,) = accepted["content"]["application/json"]["schema"].values()
    whole = found["components"]["schemas"][name.rpartition("/")[2]]
    results = {
        one.get("$ref", "").rpartition("/")[2] for one in whole["properties"]["result"]["anyOf"]
    }
    assert results - {""} == {
        "ExplanationDocument",
        "SimulationDocument",
        "TriggerSimulationDocument",
    }


def test_what_is_not_named_of_a_policy_is_as_it_is_set(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    found = done(api, line, "simulate-policy", {"since": hours_ago(1)}, OPERATOR)
    assert found["asked"]["policy"] == line.json("policy", "show")


def test_a_saved_trigger_is_tried_and_one_that_is_not_saved(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    sent = {"trigger_id": mine.trigger_id, "since": hours_ago(1)}
    saved = done(api, line, "simulate-trigger", sent)
    assert (saved["asked"]["trigger_id"], saved["asked"]["condition"]) == (
        mine.trigger_id,
        "user_created",
    )
    assert [one["event_id"] for one in saved["result"]["items"]] == [mine.event_id]
    sent = {**ATTACKS, "since": hours_ago(2), "until": hours_ago(1)}
    unsaved = done(api, line, "simulate-trigger", sent)
    assert (unsaved["asked"]["trigger_id"], unsaved["result"]["items"]) == (None, [])
    assert unsaved["asked"]["threshold"]["count"] == 3


def test_filters_and_threshold_replace_those_of_the_saved_trigger(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    made = api.ok(
        *("POST", f"{OURS}/triggers"),
        {
            **ATTACKS,
            "integration_ids": [mine.integration_id],
            "filters": [{"id": "pool", "values": [3]}],
        },
    )
    sent = {"trigger_id": made["id"], "since": hours_ago(1)}
    kept = done(api, line, "simulate-trigger", sent)["asked"]
    assert [one["id"] for one in kept["filters"]] == ["pool"]
    changed = {**sent, "filters": [], "threshold": {"count": 9, "period": 60}}
    found = done(api, line, "simulate-trigger", changed)["asked"]
    assert (found["filters"], found["threshold"]["count"]) == ([], 9)


def test_it_is_done_although_its_token_is_revoked_and_its_client_shut_out(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    made = api.ok("POST", f"{PATH}/explain", {"integration_id": mine.integration_id})
    line.ok("clients", "set", 1, "--access", "off")
    for token in line.json("tokens", "list")["items"]:
        if token["client_id"] == 1:
            line.ok("tokens", "disable", token["id"])
    api.problem(401, "GET", f"{PATH}/{made['id']}")
    work_on_computations(line.wiring.context)
    assert api.ok("GET", f"{PATH}/{made['id']}", role=OPERATOR)["state"] == "done"


def test_a_computation_is_cancelled_once(api: HttpApi, line: CommandLine, mine: Owned) -> None:
    made = api.ok("POST", f"{PATH}/explain", {"integration_id": mine.integration_id})
    cancelled = api.ok("POST", f"{PATH}/{made['id']}/cancel")
    assert (cancelled["state"], cancelled["words"]) == (
        "cancelled",
        f"{cancelled['cancelled_by']} cancelled it.",
    )
    assert "is cancelled" in api.problem(400, "POST", f"{PATH}/{made['id']}/cancel")["detail"]


def test_those_of_the_own_client_are_listed_without_their_results(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    others = owned(line, 2)
    of_all = done(api, line, "simulate-policy", {"since": hours_ago(1)}, OPERATOR)["id"]

    def listed(query: str = "", role: Role = Role.ADMINISTRATOR) -> list[int]:
        page = api.ok("GET", f"{PATH}{query}", role=role)
        assert all("result" not in one for one in page["items"])
        return [one["id"] for one in page["items"]]

    assert listed() == [mine.computation_id]
    assert listed("?client_id=2") == []
    assert listed(role=OPERATOR) == [of_all, others.computation_id, mine.computation_id]
    assert listed("?client_id=2", OPERATOR) == [others.computation_id]
    assert listed("?limit=1", OPERATOR) == [of_all]
    api.problem(404, "GET", f"{PATH}/{of_all}")


@pytest.mark.parametrize(
    ("kind", "sent", "fields"),
    [
        ("explain", {"integration_id": "1"}, {"integration_id"}),
        ("simulate-policy", {}, {"since"}),
        ("simulate-policy", {"since": "yesterday", "ratio": 0, "x": 1}, {"since", "ratio", "x"}),
        ("simulate-policy", {"since": hours_ago(-1)}, {"since"}),
        ("simulate-policy", {"since": hours_ago(24 * 400)}, {"since"}),
        ("simulate-policy", {"since": hours_ago(1), "window_seconds": 90}, {"window_seconds"}),
        (
            "simulate-policy",
            {"since": hours_ago(1), "window_seconds": 60, "min_span_seconds": 61},
            {"min_span_seconds"},
        ),
        ("simulate-trigger", {"since": hours_ago(1)}, {"condition"}),
        ("simulate-trigger", {"since": hours_ago(1), "condition": "none"}, {"condition"}),
        ("simulate-trigger", {"since": hours_ago(1), "condition": "attacks_exceeded"}, {"threshold"}),
        ("simulate-trigger", {"since": hours_ago(1), "trigger_id": 1, "client_id": 1}, {"client_id"}),
        ("simulate-trigger", {**ATTACKS, "since": hours_ago(1), "until": hours_ago(2)}, {"since"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    api: HttpApi, mine: Owned, kind: str, sent: Any, fields: set[str]
) -> None:
    client = {"client_id": 1} if kind == "simulate-trigger" and "trigger_id" not in sent else {}
    found = api.problem(400, "POST", f"{PATH}/{kind}", {**sent, **client}, role=OPERATOR)
    assert {one["field"] for one in found["errors"]} == fields
