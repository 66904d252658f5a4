"""Who may make which call, for every call that there is: one without a right fails here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from fastapi import APIRouter, FastAPI

from entrypoints.api.owned import Owned, owned
from entrypoints.command_line import KEY, MASKED
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import OF_TOKENS, Thing, Verb, may
from wallarm_notify.entrypoints.api.app import make_app
from wallarm_notify.entrypoints.api.openapi import checked_routes
from wallarm_notify.entrypoints.api.route import CheckedRoute, Right, right_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

OURS: Final = "/notify/v1"
MINE, OTHERS = 1, 2

TRIGGERS: Final = "/v2/clients/{client_id}/triggers"
KNOWN: Final = "known"
"""Whoever has a token."""

CALLS: Final[dict[str, tuple[Thing, Verb] | str | None]] = {
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": (Thing.METRICS, Verb.VIEW),
    "GET /notify/v1/health": (Thing.INFRASTRUCTURE, Verb.VIEW),
    f"GET {OURS}/activity": (Thing.ACTIVITY, Verb.VIEW),
    f"GET {OURS}/clients": (Thing.CLIENTS, Verb.VIEW),
    f"GET {OURS}/cloud-addresses": (Thing.CLOUD_ADDRESSES, Verb.VIEW),
    f"GET {OURS}/computations": (Thing.COMPUTATIONS, Verb.VIEW),
    f"POST {OURS}/computations/explain": (Thing.INTEGRATIONS, Verb.VIEW),
    f"POST {OURS}/computations/simulate-policy": (Thing.POLICY, Verb.SIMULATE),
    f"POST {OURS}/computations/simulate-trigger": (Thing.TRIGGERS, Verb.SIMULATE),
    f"GET {OURS}/computations/{{computation_id}}": (Thing.COMPUTATIONS, Verb.VIEW),
    f"POST {OURS}/computations/{{computation_id}}/cancel": (Thing.COMPUTATIONS, Verb.UPDATE),
    f"GET {OURS}/coverage": (Thing.COVERAGE, Verb.VIEW),
    f"GET {OURS}/event-types": (Thing.EVENT_TYPES, Verb.VIEW),
    f"GET {OURS}/events": (Thing.EVENTS, Verb.VIEW),
    f"GET {OURS}/events/{{event_id}}": (Thing.EVENTS, Verb.VIEW),
    f"POST {OURS}/events": (Thing.EVENTS, Verb.SEND),
    f"POST {OURS}/events/preview": (Thing.EVENTS, Verb.PREVIEW),
    f"GET {OURS}/integrations": (Thing.INTEGRATIONS, Verb.VIEW),
    f"POST {OURS}/integrations": (Thing.INTEGRATIONS, Verb.CREATE),
    f"POST {OURS}/integrations/test": (Thing.INTEGRATIONS, Verb.TEST),
    f"GET {OURS}/integrations/{{integration_id}}": (Thing.INTEGRATIONS, Verb.VIEW),
    f"PATCH {OURS}/integrations/{{integration_id}}": (Thing.INTEGRATIONS, Verb.UPDATE),
    f"DELETE {OURS}/integrations/{{integration_id}}": (Thing.INTEGRATIONS, Verb.DELETE),
    f"POST {OURS}/integrations/{{integration_id}}/disable": (Thing.INTEGRATIONS, Verb.UPDATE),
    f"POST {OURS}/integrations/{{integration_id}}/drill": (Thing.INTEGRATIONS, Verb.TEST),
    f"POST {OURS}/integrations/{{integration_id}}/enable": (Thing.INTEGRATIONS, Verb.UPDATE),
    f"GET {OURS}/integrations/{{integration_id}}/failure-ratio": (Thing.INTEGRATIONS, Verb.VIEW),
    f"GET {OURS}/integrations/{{integration_id}}/hours": (Thing.INTEGRATIONS, Verb.VIEW),
    f"POST {OURS}/integrations/{{integration_id}}/test": (Thing.INTEGRATIONS, Verb.TEST),
    f"GET {OURS}/ledger": (Thing.LEDGER, Verb.VIEW),
    f"GET {OURS}/notifications": (Thing.NOTIFICATIONS, Verb.VIEW),
    f"GET {OURS}/notifications/{{notification_id}}": (Thing.NOTIFICATIONS, Verb.VIEW),
    f"POST {OURS}/notifications/replay": (Thing.NOTIFICATIONS, Verb.REPLAY),
    f"GET {OURS}/replays": (Thing.NOTIFICATIONS, Verb.VIEW),
    f"POST {OURS}/replays": (Thing.NOTIFICATIONS, Verb.REPLAY),
    f"GET {OURS}/replays/{{replay_id}}": (Thing.NOTIFICATIONS, Verb.VIEW),
    f"POST {OURS}/replays/{{replay_id}}/cancel": (Thing.NOTIFICATIONS, Verb.REPLAY),
    f"GET {OURS}/rejected-events": (Thing.REJECTED_EVENTS, Verb.VIEW),
    f"GET {OURS}/rejected-events/{{rejected_id}}": (Thing.REJECTED_EVENTS, Verb.VIEW),
    f"POST {OURS}/rejected-events/{{rejected_id}}/resubmit": (
        Thing.REJECTED_EVENTS,
        Verb.RESUBMIT,
    ),
    f"GET {OURS}/set-aside-calls": (Thing.SET_ASIDE_CALLS, Verb.VIEW),
    f"GET {OURS}/set-aside-calls/{{call_id}}": (Thing.SET_ASIDE_CALLS, Verb.VIEW),
    f"POST {OURS}/set-aside-calls/{{call_id}}/resubmit": (Thing.SET_ASIDE_CALLS, Verb.RESUBMIT),
    f"GET {OURS}/events-ahead": (Thing.EVENTS_AHEAD, Verb.VIEW),
    f"GET {OURS}/trigger-conditions": (Thing.EVENT_TYPES, Verb.VIEW),
    f"GET {OURS}/triggers": (Thing.TRIGGERS, Verb.VIEW),
    f"POST {OURS}/triggers": (Thing.TRIGGERS, Verb.CREATE),
    f"GET {OURS}/triggers/{{trigger_id}}": (Thing.TRIGGERS, Verb.VIEW),
    f"PATCH {OURS}/triggers/{{trigger_id}}": (Thing.TRIGGERS, Verb.UPDATE),
    f"DELETE {OURS}/triggers/{{trigger_id}}": (Thing.TRIGGERS, Verb.DELETE),
    f"POST {OURS}/triggers/{{trigger_id}}/disable": (Thing.TRIGGERS, Verb.UPDATE),
    f"POST {OURS}/triggers/{{trigger_id}}/duplicate": (Thing.TRIGGERS, Verb.CREATE),
    f"POST {OURS}/triggers/{{trigger_id}}/enable": (Thing.TRIGGERS, Verb.UPDATE),
    f"GET {OURS}/undecodable-messages": (Thing.UNDECODABLE_MESSAGES, Verb.VIEW),
    f"GET {OURS}/undecodable-messages/{{message_id}}": (Thing.UNDECODABLE_MESSAGES, Verb.VIEW),
    f"POST {OURS}/undecodable-messages/{{message_id}}/resubmit": (
        Thing.UNDECODABLE_MESSAGES,
        Verb.RESUBMIT,
    ),
    "POST /v1/user": KNOWN,
    "POST /v1/objects/pool": (Thing.APPLICATIONS, Verb.VIEW),
    "POST /v1/objects/pool/create": (Thing.APPLICATIONS, Verb.CREATE),
    "POST /v1/objects/pool/update": (Thing.APPLICATIONS, Verb.UPDATE),
    "POST /v1/objects/pool/delete": (Thing.APPLICATIONS, Verb.DELETE),
    "GET /v1/objects/client": (Thing.CLIENTS, Verb.VIEW),
    "POST /v1/objects/client": (Thing.CLIENTS, Verb.VIEW),
    "POST /v1/objects/user": (Thing.USERS, Verb.VIEW),
    "GET /v1/activity_log/events_get_filters": (Thing.ACTIVITY, Verb.VIEW),
    "GET /v1/activity_log/{client_id}/events": (Thing.ACTIVITY, Verb.VIEW),
    "GET /v1/activity_log/{client_id}/events/{line_id}": (Thing.ACTIVITY, Verb.VIEW),
    "POST /v1/audit_log": (Thing.ACTIVITY, Verb.VIEW),
    "GET /v2/integration": (Thing.INTEGRATIONS, Verb.VIEW),
    "POST /v2/integration": (Thing.INTEGRATIONS, Verb.CREATE),
    "PUT /v2/integration/{integration_id}": (Thing.INTEGRATIONS, Verb.UPDATE),
    "DELETE /v2/integration/{integration_id}": (Thing.INTEGRATIONS, Verb.DELETE),
    f"GET {TRIGGERS}": (Thing.TRIGGERS, Verb.VIEW),
    f"POST {TRIGGERS}": (Thing.TRIGGERS, Verb.CREATE),
    f"PUT {TRIGGERS}/{{trigger_id}}": (Thing.TRIGGERS, Verb.UPDATE),
    f"DELETE {TRIGGERS}/{{trigger_id}}": (Thing.TRIGGERS, Verb.DELETE),
}
"""What each call needs: to whom it is open is a decision, which is written down here a second time."""


FAR_NUMBERS: Final = """DO $$ DECLARE one text; BEGIN
    FOR one IN SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'
    LOOP PERFORM setval(one\\:\\:regclass, 54321); END LOOP; END $$"""
"""A statement that lets numbers be told from others in an answer."""


ORIGINALS: Final = ("/v1/", "/v2/")


def is_of_the_original(call: str) -> bool:
    return call.partition(" ")[2].startswith(ORIGINALS)


def original_bodies(whose: Owned) -> dict[str, Any]:
    """A body for each call of the original that takes one, about the things of a client."""
    notify = {"id": "send_notification", "params": {"integration_ids": [whose.integration_id]}}
    trigger = {"trigger": {"template_id": "user_created", "actions": [notify]}}
    application = {"filter": {"id": -1, "clientid": whose.client_id}}
    return {
        "POST /v1/objects/pool": {"filter": {"clientid": [whose.client_id]}},
        "POST /v1/objects/pool/create": {"clientid": whose.client_id, "name": "Shop"},
        "POST /v1/objects/pool/update": {**application, "fields": {"name": "Shop"}},
        "POST /v1/objects/pool/delete": application,
        "POST /v1/objects/client": {},
        "POST /v1/objects/user": {},
        "POST /v1/audit_log": {},
        "POST /v2/integration": {"clientid": whose.client_id, "target": KEY},
        "PUT /v2/integration/{integration_id}": {"name": "another"},
        f"POST {TRIGGERS}": trigger,
        f"PUT {TRIGGERS}/{{trigger_id}}": trigger,
    }


def an_hour_ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat()


def bodies(whose: Owned) -> dict[str, Any]:
    """A body for each call that takes one, about the things of a client."""
    integrations = f"POST {OURS}/integrations"
    triggers = f"POST {OURS}/triggers"
    user = {"user_name": "A", "user_email": "a@example.com", "user_role": "admin"}
    made = {"client_id": whose.client_id, "condition": "user_created"}
    events = {"events": [{"type": "user.created", "client_id": whose.client_id, **user}]}
    return {
        **original_bodies(whose),
        f"POST {OURS}/events": events,
        f"POST {OURS}/events/preview": events,
        integrations: {"client_id": whose.client_id, "key": KEY},
        f"{integrations}/test": {"client_id": whose.client_id, "key": KEY},
        f"{integrations}/{{integration_id}}/test": {},
        f"{integrations}/{{integration_id}}/disable": {},
        f"PATCH {OURS}/integrations/{{integration_id}}": {"name": "another"},
        f"POST {OURS}/notifications/replay": {"ids": [whose.notification_id]},
        f"POST {OURS}/replays": {"integration_id": whose.integration_id},
        f"POST {OURS}/computations/explain": {"integration_id": whose.integration_id},
        f"POST {OURS}/computations/simulate-policy": {"since": an_hour_ago()},
        f"POST {OURS}/computations/simulate-trigger": {
            "trigger_id": whose.trigger_id,
            "since": an_hour_ago(),
        },
        f"POST {OURS}/rejected-events/{{rejected_id}}/resubmit": {},
        f"POST {OURS}/undecodable-messages/{{message_id}}/resubmit": {},
        f"POST {OURS}/set-aside-calls/{{call_id}}/resubmit": {},
        triggers: {**made, "integration_ids": [whose.integration_id]},
        f"PATCH {OURS}/triggers/{{trigger_id}}": {"name": "another"},
        f"{triggers}/{{trigger_id}}/disable": {},
        f"{triggers}/{{trigger_id}}/duplicate": {},
    }


QUERIES: Final = {
    f"GET {OURS}/integrations/{{integration_id}}/hours": "?since=2026-03-01T00:00:00Z",
    f"GET {OURS}/events/{{event_id}}": "?client_id={client_id}",
    f"GET {OURS}/coverage": "?client_id={client_id}",
}


def calls(app: FastAPI) -> Iterator[tuple[str, Right]]:
    for route in checked_routes(app):
        for method in route.methods or ():
            yield f"{method} {route.path}", route.right


def make(
    api: HttpApi, call: str, whose: Owned, role: Role | None, client_id: int = MINE
) -> Response:
    """Make a call about the things of somebody."""
    method, _, path = call.partition(" ")
    path += QUERIES.get(call, "")
    filled = path.format(**whose.ids, client_id=whose.client_id)
    return api.ask(method, filled, bodies(whose).get(call), role=role, client_id=client_id)


def check_fault(call: str, answer: Response, word: str) -> None:
    """Check that a fault is answered in the form of its call."""
    if is_of_the_original(call):
        assert answer.json()["status"] == answer.status_code
    else:
        assert answer.json()["type"] == f"urn:wallarm-notify:problem:{word}"


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, MINE)


def test_every_call_has_its_right_in_the_table(line: CommandLine) -> None:
    found = {
        call: (KNOWN if right.known else None) if right.thing is None else (right.thing, right.verb)
        for call, right in calls(make_app(line.wiring))
    }
    assert found == CALLS


def test_a_call_without_a_right_cannot_be_made() -> None:
    router = APIRouter(route_class=CheckedRoute)

    def unguarded() -> None: ...

    with pytest.raises(TypeError, match="unguarded declares no right"):
        router.add_api_route("/unguarded", unguarded)
    with pytest.raises(TypeError):
        right_of(unguarded)


def test_a_route_that_checks_nothing_is_found() -> None:
    app = FastAPI(openapi_url=None)
    app.add_api_route("/unchecked", lambda: None)
    with pytest.raises(TypeError, match="/unchecked checks nothing"):
        checked_routes(app)


@pytest.mark.parametrize("role", sorted(OF_TOKENS))
def test_each_role_makes_the_calls_that_it_has_the_right_to_and_no_other(
    api: HttpApi, mine: Owned, role: Role, subtests: pytest.Subtests
) -> None:
    deleting = [call for call in CALLS if call.startswith("DELETE")]
    for call in (*(one for one in CALLS if one not in deleting), *deleting):
        with subtests.test(call):
            right = CALLS[call]
            answer = make(api, call, mine, role)
            if right is None or isinstance(right, str) or may(role, *right):
                assert answer.status_code not in (401, 403), answer.text
                assert answer.status_code < 500 or call == "GET /readyz", answer.text
            else:
                assert answer.status_code == 403, answer.text
                check_fault(call, answer, "forbidden")


def test_nobody_makes_a_call_without_a_token(
    api: HttpApi, mine: Owned, subtests: pytest.Subtests
) -> None:
    for call in (one for one, right in CALLS.items() if right is not None):
        with subtests.test(call):
            answer = make(api, call, mine, None)
            assert answer.status_code == 401
            check_fault(call, answer, "not_authenticated")


ABOUT_ONE: Final = [
    call for call in CALLS
    if "_id}" in call and not any(word in call for word in ("message_id", "call_id", "activity_log"))
] + [
    f"POST {OURS}/notifications/replay",
    f"POST {OURS}/replays",
    f"POST {OURS}/computations/explain",
    f"POST {OURS}/computations/simulate-trigger",
]  # fmt: skip
OF_A_CLIENT: Final = [
    f"POST {OURS}/events/preview",
    f"POST {OURS}/integrations",
    f"POST {OURS}/integrations/test",
    f"POST {OURS}/triggers",
    f"GET {OURS}/coverage",
]
OF_A_CLIENT_OF_THE_ORIGINAL: Final = [
    "POST /v1/objects/pool", "POST /v1/objects/pool/create", "POST /v1/objects/pool/update",
    "POST /v1/objects/pool/delete", "GET /v1/activity_log/{client_id}/events",
    "GET /v1/activity_log/{client_id}/events/{line_id}", "POST /v2/integration",
]  # fmt: skip


def test_what_another_client_has_is_not_there_in_the_same_words_as_what_nobody_has(
    api: HttpApi, line: CommandLine, mine: Owned, subtests: pytest.Subtests
) -> None:
    line.sql(FAR_NUMBERS)
    others = owned(line, OTHERS)
    api.token()
    before = line.json("activity", "list")["items"]
    nobodys = Owned(OTHERS, 777, 778, 779, 780, "7b0c6a52-0001-4000-8000-00000000000a", 781, 782)
    for call in ABOUT_ONE:
        with subtests.test(call):
            found = make(api, call, others, Role.ADMINISTRATOR)
            missing = make(api, call, nobodys, Role.ADMINISTRATOR)
            assert (found.status_code, missing.status_code) == (404, 404)
            assert without_ids(found.text, others) == without_ids(missing.text, nobodys)
    for call in OF_A_CLIENT:
        with subtests.test(call):
            answer = make(api, call, others, Role.ADMINISTRATOR)
            assert (answer.status_code, answer.json()["detail"]) == (404, "There is no client 2.")
    for call in OF_A_CLIENT_OF_THE_ORIGINAL:
        with subtests.test(call):
            answer = make(api, call, others, Role.ADMINISTRATOR)
            assert answer.json() == {
                "status": 404,
                "body": {"error": "client not found", "value": 2},
            }
    assert line.json("activity", "list")["items"] == before


def without_ids(text: str, whose: Owned) -> str:
    for given in whose.ids.values():
        text = text.replace(str(given), "ID")
    return text


def test_listings_have_what_the_own_client_has_alone(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    owned(line, OTHERS)
    for listed in (
        "integrations",
        "triggers",
        "notifications",
        "events",
        "rejected-events",
        "activity",
    ):
        items = api.ok("GET", f"{OURS}/{listed}")["items"]
        assert {item["client_id"] for item in items} == {MINE}
        both = api.ok("GET", f"{OURS}/{listed}", role=Role.OPERATOR)["items"]
        assert {item["client_id"] for item in both} - {None} == {MINE, OTHERS}
        asked = api.ok("GET", f"{OURS}/{listed}?client_id=2") if listed != "rejected-events" else {}
        assert asked.get("items", []) == []


BY_NAME: Final = (
    f"GET {OURS}/coverage",
    f"GET {OURS}/events/{{event_id}}",
    f"POST {OURS}/events/preview",
)
"""Calls whose answers name integrations and triggers."""

SETTINGS_OF_RULES: Final = [role for role in OF_TOKENS if may(role, Thing.INTEGRATIONS, Verb.VIEW)]


@pytest.mark.parametrize("role", sorted(OF_TOKENS))
def test_who_may_not_view_integrations_and_triggers_sees_of_them_number_and_name_alone(
    api: HttpApi, line: CommandLine, mine: Owned, role: Role, subtests: pytest.Subtests
) -> None:
    line.ok("triggers", "update", mine.trigger_id, "--comment", "Ask Ana")
    names = [
        line.json(what, "show", number)["name"]
        for what, number in (("integrations", mine.integration_id), ("triggers", mine.trigger_id))
    ]
    line.ok("tokens", "create", "--client", MINE, "--role", "admin", "--name", "Deployment")
    sees_settings = role in SETTINGS_OF_RULES
    assert (
        sees_settings is may(role, Thing.TRIGGERS, Verb.VIEW) is may(role, Thing.TOKENS, Verb.VIEW)
    )
    for call in (one for one in CALLS if not one.startswith(("DELETE", "PUT", "PATCH"))):
        right = CALLS[call]
        if not isinstance(right, tuple) or not may(role, *right):
            continue
        with subtests.test(call):
            text = make(api, call, mine, role).text
            if call in BY_NAME:
                assert all(name in text for name in names)
            if not sees_settings:
                for setting in (MASKED[-4:], "Ask Ana", "Deployment", "subscriptions"):
                    assert setting not in text


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (
            Role.ADMINISTRATOR,
            {"integration", "trigger", "client", "user", "token", "application", "session"},
        ),
        (Role.READ_ONLY, {"client", "user", "application", "session"}),
        (Role.PARTNER_READ_ONLY, {"client", "user", "application", "session"}),
    ],
)
def test_the_activity_log_shows_lines_of_what_somebody_may_view_on_each_of_its_paths(
    api: HttpApi, line: CommandLine, mine: Owned, role: Role, seen: set[str]
) -> None:
    line.ok("clients", "set", MINE, "--name", "ACME")
    who = ("--email", "ana@example.com", "--name", "Ana", "--role", "admin")
    line.ok("users", "create", "--client", MINE, *who)
    api.ok("POST", "/v1/objects/pool/create", {"name": "Shop"})
    everything = api.ok("GET", f"{OURS}/activity?client_id={MINE}", role=Role.OPERATOR)["items"]
    logged = {one["object_type"] for one in everything}
    assert seen <= logged

    found = api.ok("GET", f"{OURS}/activity", role=role)["items"]
    assert {one["object_type"] for one in found} == seen
    path = f"/v1/activity_log/{MINE}/events"
    lines = api.ok("GET", f"{path}?limit=1000", role=role)["body"]["objects"]
    assert {one["object_type_info"]["value"] for one in lines} == seen
    narrowed = f"{path}?filter[object_types][]=integration&filter[object_types][]=user"
    lines = api.ok("GET", narrowed, role=role)["body"]["objects"]
    assert {one["object_type_info"]["value"] for one in lines} == seen & {"integration", "user"}
    audited = api.ok("POST", "/v1/audit_log", {"limit": 1000}, role=role)["body"]["objects"]
    words = {"trigger": "triggers.trigger", "application": "pool"}
    assert {one["object_type"] for one in audited} == {
        words.get(one, one) for one in seen - {"token", "session"}
    }
    for one in everything:
        answer = api.ask("GET", f"{path}/{one['id']}", role=role)
        assert answer.status_code == (200 if one["object_type"] in seen else 404)
    filters = api.ok("GET", "/v1/activity_log/events_get_filters", role=role)["body"]
    offered = {one["value"] for one in filters["object_types"]}
    assert offered - {"rejected_event"} == seen


def test_a_partner_sees_its_children_too(api: HttpApi, line: CommandLine, mine: Owned) -> None:
    child = owned(line, OTHERS)
    line.ok("clients", "set", OTHERS, "--parent", MINE)
    path = f"{OURS}/integrations/{child.integration_id}"
    assert api.ok("GET", path, role=Role.PARTNER_ADMINISTRATOR)["client_id"] == OTHERS
    api.problem(404, "GET", path, role=Role.ADMINISTRATOR)
