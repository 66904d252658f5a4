"""What the calls answer is what the command line prints with ``--json``, by every filter that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from build import an_event_for

from entrypoints.api.owned import Owned, owned
from entrypoints.command_line import KEY, MASKED
from wallarm_notify.domain.actor import Role
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

OURS = "/notify/v1"


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, 1)


SAME: list[tuple[str, str]] = [
    ("notifications", "notifications list"),
    ("notifications?state=failed", "notifications list --state failed"),
    ("notifications?state=failed&state=pending", "notifications list --state failed --state pending"),
    ("notifications?state=delivered", "notifications list --state delivered"),
    ("notifications?integration_id={integration_id}", "notifications list --integration {integration_id}"),
    ("notifications?event_id={event_id}", "notifications list --event {event_id}"),
    ("notifications?type=user.created", "notifications list --type user.created"),
    ("notifications?origin=card", "notifications list --origin card"),
    ("notifications?origin=trigger:{trigger_id}", "notifications list --origin trigger:{trigger_id}"),
    ("notifications?code=none", "notifications list --code none"),
    ("notifications?code=5xx", "notifications list --code 5xx"),
    ("notifications?since=2026-03-01T00:00:00Z", "notifications list --since 2026-03-01T00:00:00Z"),
    ("notifications?until=2020-03-01T00:00:00%2B02:00", "notifications list --until 2020-03-01T00:00+02:00"),
    ("notifications/{notification_id}", "notifications show {notification_id}"),
    ("events", "events list"),
    ("events?find={event_id}", "events list {event_id}"),
    ("events?type=user.created", "events list --type user.created"),
    ("events?notification_id={notification_id}", "events list --notification {notification_id}"),
    ("events?find=nothing", "events list nothing"),
    ("events/{event_id}?client_id=1", "events show {event_id} --client 1"),
    ("coverage?client_id=1", "coverage --client 1"),
    ("integrations", "integrations list"),
    ("integrations?state=disabled", "integrations list --state disabled"),
    ("integrations/{integration_id}", "integrations show {integration_id}"),
    ("triggers", "triggers list"),
    ("triggers/{trigger_id}?limit=10", "triggers show {trigger_id}"),
    ("trigger-conditions", "triggers conditions"),
    ("event-types", "events types"),
    ("cloud-addresses", "cloud-ips"),
    ("cloud-addresses?cloud=eu", "cloud-ips --cloud eu"),
    ("rejected-events", "events rejected"),
    ("rejected-events/{rejected_id}", "events rejected {rejected_id}"),
    ("undecodable-messages", "events undecodable"),
    ("set-aside-calls", "events set-aside"),
    ("events-ahead", "events ahead"),
    ("ledger", "ledger"),
    ("clients", "clients list"),
]  # fmt: skip


def test_each_call_answers_with_the_document_of_its_command(
    api: HttpApi, line: CommandLine, mine: Owned, subtests: pytest.Subtests
) -> None:
    api.token(Role.OPERATOR)
    for path, words in SAME:
        with subtests.test(path):
            answer = api.ok("GET", f"{OURS}/{path.format(**mine.ids)}", role=Role.OPERATOR)
            assert answer == line.json(*words.format(**mine.ids).split())


def test_a_listing_goes_on_where_its_page_ended(api: HttpApi, line: CommandLine) -> None:
    line.integration("--subscribe", "system")
    ingest(line.wiring.context, [an_event_for("user_created") for _ in range(5)], [])
    seen: list[int] = []
    cursor: str | None = None
    while True:
        after = "" if cursor is None else f"&cursor={cursor}"
        page = api.ok("GET", f"{OURS}/notifications?limit=2{after}")
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    whole = [item["id"] for item in api.ok("GET", f"{OURS}/notifications")["items"]]
    assert seen == whole
    assert len(whole) == 5


def test_notifications_are_found_by_the_dedup_key_that_pagerduty_shows(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    (one,) = api.ok("GET", f"{OURS}/notifications")["items"]
    path = f"{OURS}/notifications?dedup_key={one['dedup_key']}"
    assert api.ok("GET", path)["items"] == [one]
    assert api.ok("GET", path) == line.json(
        "notifications", "list", "--dedup-key", one["dedup_key"]
    )
    assert api.ok("GET", path, client_id=2)["items"] == []
    assert api.ok("GET", f"{OURS}/notifications?dedup_key={'0' * 64}")["items"] == []
    for wrong in (one["dedup_key"][:63], one["dedup_key"].upper() + "A", ""):
        found = api.problem(400, "GET", f"{OURS}/notifications?dedup_key={wrong}")
        assert [fault["field"] for fault in found["errors"]] == ["dedup_key"]


def test_an_alert_is_shown_with_its_key_masked(api: HttpApi, mine: Owned) -> None:
    shown = api.ok("GET", f"{OURS}/notifications/{mine.notification_id}")
    assert shown["alert"]["routing_key"] == MASKED


def test_of_an_event_that_is_not_here_that_is_what_is_answered(api: HttpApi, mine: Owned) -> None:
    number = uuid4()
    problem = api.problem(404, "GET", f"{OURS}/events/{number}")
    assert problem["detail"].startswith(f"No event {number} of client 1 is here")


def test_a_preview_says_who_would_be_notified_and_stores_nothing(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    user = {"user_name": "A", "user_email": "a@example.com", "user_role": "admin"}
    before = line.json("ledger")
    found = api.ok(
        *("POST", f"{OURS}/events/preview"),
        {"events": [{"type": "user.created", "client_id": 1, **user}, {"type": "user.created"}]},
    )
    (shown,) = found["items"]
    assert (shown["line"], [way["end"] for way in shown["ways"]]) == (1, ["notified"])
    assert "routing_key" not in shown["ways"][0]["alert"]
    assert {fault["line"] for fault in found["faults"]} == {2}
    assert line.json("ledger") == before


def test_an_integration_is_made_tested_changed_switched_and_deleted(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    made = api.ask("POST", f"{OURS}/integrations", {"key": KEY, "subscriptions": []})
    assert made.status_code == 201
    document = made.json()
    assert (document["client_id"], document["key"], document["region"]) == (1, MASKED, "us")
    assert document["warnings"] == ["it subscribes to nothing, so only triggers can use it."]
    path = f"{OURS}/integrations/{document['id']}"

    assert api.ok("POST", f"{path}/drill")["passed"]
    tested = api.ok("POST", f"{path}/test", {"close": True})
    assert (tested["passed"], tested["closed"], len(tested["tests"])) == (True, 3, 3)
    unsaved = api.ok("POST", f"{OURS}/integrations/test", {"key": KEY, "region": "eu"})
    assert unsaved["passed"]

    changed = api.ok("PATCH", path, {"name": "SOC", "subscriptions": ["security_issue", "system"]})
    assert (changed["name"], len(changed["subscriptions"])) == ("SOC", 6)
    paused = api.ok(
        "POST", f"{path}/disable", {"reason": "maintenance", "until": "2027-01-01T00:00:00+01:00"}
    )
    assert (paused["enabled"], paused["disabled_reason"]) == (False, "maintenance")
    assert paused["disabled_until"] == "2026-12-31T23:00:00+00:00"
    assert api.problem(400, "POST", f"{path}/disable", {"until": "2026-01-01T00:00:00Z"})["errors"]
    assert api.ok("POST", f"{path}/enable")["enabled"]
    again = api.problem(400, "POST", f"{path}/enable")
    assert again["detail"] == f"Integration {document['id']} is enabled already."
    assert api.ok("DELETE", f"{path}?reason=moved")["deleted"]
    api.problem(404, "GET", path)

    lines = line.json("activity", "list")["items"]
    ours = [one for one in lines if one["object_type"] == "integration"]
    assert [one["action"] for one in ours] == [
        "deleted",
        "enabled",
        "disabled",
        "updated",
        "created",
    ]
    assert {one["actor"]["source"] for one in ours} == {"api"}
    assert {one["actor"]["role"] for one in ours} == {"admin"}


def test_a_trigger_is_made_changed_copied_switched_and_deleted(api: HttpApi, mine: Owned) -> None:
    made = api.ask(
        *("POST", f"{OURS}/triggers"),
        {
            "condition": "attacks_exceeded",
            "integration_ids": [mine.integration_id],
            "threshold": {"count": 30, "period": 3600},
            "filters": [
                {"id": "attack_type", "values": ["sqli", "xss"]},
                {"id": "pool", "operator": "ne", "values": [3]},
            ],
            "severity": "critical",
            "comment": "for the night",
        },
    )
    assert made.status_code == 201, made.text
    document = made.json()
    assert document["threshold"] == {"count": 30, "period": 3600, "operator": "gt"}
    path = f"{OURS}/triggers/{document['id']}"
    changed = api.ok("PATCH", path, {"filters": [], "severity": "default", "group": "ip"})
    assert (changed["filters"], changed["severity"], changed["group"]) == ([], None, "ip")
    assert changed["comment"] == "for the night"
    copied = api.ask("POST", f"{path}/duplicate", {"name": "Another"})
    assert (copied.status_code, copied.json()["name"]) == (201, "Another")
    assert not api.ok("POST", f"{path}/disable", {})["enabled"]
    assert api.ok("POST", f"{path}/enable")["enabled"]
    assert api.ok("DELETE", path) == {"id": document["id"], "deleted": True}
    api.problem(404, "GET", path)


def test_what_failed_is_sent_again_all_of_it_or_nothing(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    ids = [mine.notification_id]
    before = line.messages("notifications")
    api.problem(404, "POST", f"{OURS}/notifications/replay", {"ids": [*ids, 999]})
    assert line.messages("notifications") == before
    assert api.ok("POST", f"{OURS}/notifications/replay", {"ids": ids}) == {"replayed": 1}
    (message,) = line.messages("notifications")[len(before) :]
    assert message["ids"] == ids
    again = api.problem(400, "POST", f"{OURS}/notifications/replay", {"ids": ids})
    assert "only failed, skipped, cancelled ones can be replayed" in again["detail"]


def test_whoever_has_several_clients_says_whose(api: HttpApi, mine: Owned) -> None:
    for method, path, body in (
        ("GET", "coverage", None),
        ("GET", f"events/{mine.event_id}", None),
        ("POST", "integrations", {"key": KEY}),
    ):
        problem = api.problem(400, method, f"{OURS}/{path}", body, role=Role.OPERATOR)
        assert problem["errors"] == [
            {"field": "client_id", "detail": "say whose; this token is of no single client."}
        ]


def test_the_description_has_every_call_with_its_answers(api: HttpApi) -> None:
    found: dict[str, Any] = api.ok("GET", f"{OURS}/openapi.json", role=None)
    for path, methods in found["paths"].items():
        for call in methods.values():
            if path in ("/healthz", "/readyz"):
                assert "security" not in call
                continue
            assert call["security"] == [{"token": []}, {"bearer": []}]
            assert {"400", "401", "408", "413", "429", "500", "503"} < set(call["responses"])
            assert ("415" in call["responses"]) is ("requestBody" in call)
            assert ("403" in call["responses"]) is (path != "/v1/user")
            assert "422" not in call["responses"]
    assert "Problem" in found["components"]["schemas"]
    assert "HTTPValidationError" not in found["components"]["schemas"]
