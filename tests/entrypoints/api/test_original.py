"""The calls of Wallarm's own API: what its clients send, and what they are answered, kept as data."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from build import eventually
from conftest import connected

from entrypoints.api.owned import owned
from entrypoints.api.test_faults import WRONG as WRONG_VALUES
from entrypoints.api.test_faults import sent_as
from entrypoints.api.test_rights import CALLS
from entrypoints.command_line import KEY, MASKED
from wallarm_notify.domain.actor import Role
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response
    from sqlalchemy import Connection

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

FOLDER: Final = Path(__file__).parent
FILES: Final = sorted(FOLDER.glob("original_*.yaml"))
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
OTHER_KEY: Final = "0123456789abcdef0123456789abcdef"


def examples() -> Iterator[Any]:
    for file in FILES:
        for one in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield pytest.param(one, id=f"{file.stem}: {one['title']}")


@pytest.fixture
def names(api: HttpApi, line: CommandLine) -> dict[str, Any]:
    """What the examples have in braces."""
    user = line.json(
        *("users", "create", "--client", 1, "--email", "ana@example.com", "--name", "Ana"),
        *("--role", "admin"),
    )
    integration = line.integration("--name", "SOC", "--subscribe", "system,security_issue_critical")
    others = owned(line, 2)
    return {
        "key": KEY,
        "mask": MASKED,
        "token": api.token(),
        "user": user["id"],
        "integration": integration,
        "others": others.integration_id,
        "others_trigger": others.trigger_id,
    }


@pytest.mark.parametrize("example", [*examples()])
def test_a_client_of_the_original_is_answered_as_it_expects(
    api: HttpApi, names: dict[str, Any], example: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for step in example["steps"]:
        answer = asked(api, step, names)
        assert answer.status_code == step.get("status", 200), (step["call"], answer.text)
        assert answer.headers["Content-Type"] == "application/json"
        if "bytes" in step:
            assert answer.text == step["bytes"]
            continue
        found = answer.json()
        if "exactly" in step:
            assert found == filled(step["exactly"], names)
        else:
            check(found, filled(step["answer"], names), step["call"])
        if "absent" in step:
            assert f'"{step["absent"]}":' not in answer.text
        if "keep" in step:
            names[step["keep"]] = id_in(found)
    secrets = {names["token"], OTHER_KEY}
    assert not any(secret in text for secret in secrets for text in (*api.answers, caplog.text))


def asked(api: HttpApi, step: Any, names: dict[str, Any]) -> Response:
    method, path = filled(step["call"], names).split(" ", 1)
    role = step.get("role", "admin")
    return api.ask(
        *(method, path, filled(step.get("body"), names)),
        role=None if role == "none" else Role(role),
        headers=filled(step.get("headers", {}), names),
    )


def filled(value: Any, names: dict[str, Any]) -> Any:
    """Return a value of the data with what stands for its names in braces."""
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if not isinstance(value, str):
        return value
    if (alone := re.fullmatch(r"\{(\w+)\}", value)) and alone[1] in names:
        return names[alone[1]]
    return re.sub(r"\{(\w+)\}", lambda m: str(names.get(m[1], m[0])), value)


def check(found: Any, expected: Any, place: str) -> None:
    """Check that ``found`` has what is expected; objects may have more."""
    if isinstance(expected, dict) and expected:
        assert isinstance(found, dict), (place, found)
        for key, one in expected.items():
            assert key in found, (place, key, found)
            check(found[key], one, f"{place} {key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), (place, found)
        assert len(found) == len(expected), (place, found)
        for number, one in enumerate(expected):
            check(found[number], one, f"{place} {number}")
    elif isinstance(expected, str) and re.fullmatch(r"<.*>", expected):
        assert is_like(found, expected[1:-1]), (place, found)
    else:
        assert (type(found), found) == (type(expected), expected), place


def is_like(found: Any, kind: str) -> bool:
    types = {"int": int, "text": str, "list": list}
    if kind in types:
        return type(found) is types[kind] and found != ""
    if kind == "time":
        return TIME.fullmatch(found) is not None
    return isinstance(found, str) and re.fullmatch(kind, found, re.DOTALL) is not None


def id_in(answer: Any) -> int:
    one = answer.get("trigger") or answer["body"].get("object") or answer["body"]["objects"][0]
    return int(one["id"])


TRAPS_BELOW: Final = {13, 16, 17}


def test_each_trap_has_its_example() -> None:
    text = " ".join(file.read_text(encoding="utf-8") for file in FILES)
    assert {int(one) for one in re.findall(r"\b7\.(\d+)\b", text)} | TRAPS_BELOW == set(
        range(1, 19)
    )


WRONG: Final = [
    ("POST /v2/integration", {"name": 5, "active": KEY, "events": KEY, "type": [], "region": {}}),
    ("POST /v2/integration", {"name": KEY, "events": [{"event": KEY, "active": True}]}),
    ("POST /v2/integration", {"type": KEY}),
    ("POST /v2/integration", {"region": KEY}),
    ("POST /v2/integration", {"clientid": KEY, KEY: KEY}),
    ("PUT /v2/integration/1", {"name": KEY, "active": {}, "events": [KEY]}),
    ("PUT /v2/integration/777", {"name": "A"}),
    ("POST /v2/clients/1/triggers", {"trigger": {"template_id": KEY, "actions": [{"id": KEY}]}}),
    ("POST /v2/clients/1/triggers", {"trigger": KEY}),
    ("POST /v1/objects/pool/create", {"name": KEY, "id": KEY}),
    ("POST /v1/objects/user", {"filter": {"id": KEY}}),
    ("POST /v1/audit_log", {"limit": KEY}),
]


@pytest.mark.parametrize(("call", "body"), WRONG)
def test_a_key_among_whatever_else_is_wrong_comes_back_nowhere(
    api: HttpApi, names: dict[str, Any], call: str, body: dict[str, Any]
) -> None:
    method, path = call.split(" ")
    answer = api.ask(method, path, {"target": KEY, **body})
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["status"] == answer.status_code


FIELDS: Final = [
    "active", "actions", "clientid", "comment", "enabled", "events", "fields", "filter", "filters", "id", "limit",
    "name", "offset", "region", "template_id", "threshold", "type",
]  # fmt: skip


def test_whatever_is_sent_is_answered_in_the_envelope(
    api: HttpApi, names: dict[str, Any], subtests: pytest.Subtests
) -> None:
    paths = {"client_id": 1, "integration_id": names["integration"], "trigger_id": 777}
    for call in (one for one in CALLS if one.startswith(("POST /v", "PUT /v"))):
        method, _, path = call.partition(" ")
        with subtests.test(call):
            for value in WRONG_VALUES:
                fields = dict.fromkeys(FIELDS, value) | {"target": KEY, KEY: value}
                for body in (fields, {"trigger": fields}, {"filter": fields, "fields": fields}):
                    answer = api.ask(
                        *(method, path.format(**paths)),
                        data=sent_as(body),
                        headers={"Content-Type": "application/json"},
                    )
                    assert answer.status_code in (200, 400, 404), (value, answer.text)
                    if not answer.ok:
                        assert answer.json()["status"] == answer.status_code
                    assert "\ud800" not in answer.text


def test_name_and_switch_of_one_put_are_one_transaction(
    api: HttpApi, line: CommandLine, names: dict[str, Any]
) -> None:
    path = f"/v2/integration/{names['integration']}"
    api.ok("PUT", path, {"name": "Both", "active": False})
    changed = line.json("activity", "list")["items"][0]
    assert (changed["action"], changed["before"]["name"], changed["after"]["name"]) == (
        *("disabled", "SOC"),
        "Both",
    )
    refused = api.ask("PUT", path, {"name": " ", "active": True})
    assert refused.status_code == 400
    shown = line.json("integrations", "show", names["integration"])
    assert (shown["name"], shown["enabled"]) == ("Both", False)


def test_a_new_key_starts_a_clean_failure_window_and_a_name_does_not(
    api: HttpApi, line: CommandLine, names: dict[str, Any]
) -> None:
    number = names["integration"]

    def generation() -> int:
        with make_engine(line.wiring.settings.database()).connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT generation FROM integrations WHERE id = %s", (number,)
            )
            return int(found.scalar_one())

    before = generation()
    for body in ({"name": "Other"}, {"target": MASKED}, {"target": KEY}):
        api.ok("PUT", f"/v2/integration/{number}", body)
        assert generation() == before
    api.ok("PUT", f"/v2/integration/{number}", {"target": OTHER_KEY})
    assert generation() == before + 1


@pytest.mark.parametrize(("cloud", "region"), [("us", "us"), ("eu", "eu"), ("me", "us")])
def test_without_a_region_the_clients_cloud_decides(
    api: HttpApi, line: CommandLine, cloud: str, region: str
) -> None:
    line.ok("clients", "set", 1, "--cloud", cloud)
    made = api.ok("POST", "/v2/integration", {"name": "A", "target": KEY, "type": "pager_duty"})
    assert made["body"]["object"]["region"] == region


PUT_NAME: Final = ("PUT", "/v2/integration/{}", {"name": "Other"})
PUT_EVENTS: Final = (
    *("PUT", "/v2/integration/{}"),
    {"events": [{"event": "rules_and_triggers", "active": True}]},
)
PATCH_NAME: Final = ("PATCH", "/notify/v1/integrations/{}", {"name": "Other"})
PATCH_EVENTS: Final = (
    *("PATCH", "/notify/v1/integrations/{}"),
    {"subscriptions": ["rules_and_triggers"]},
)
OFF: Final = ("POST", "/notify/v1/integrations/{}/disable", {"reason": "maintenance"})


@pytest.mark.parametrize(
    "calls",
    [
        (PUT_NAME, PUT_EVENTS),
        (PUT_NAME, PATCH_EVENTS),
        (PATCH_NAME, PUT_EVENTS),
        (PATCH_NAME, PATCH_EVENTS),
        (PUT_NAME, PUT_EVENTS, OFF),
        (PATCH_NAME, PUT_EVENTS, OFF),
    ],
    ids=lambda calls: " ".join(f"{method} {next(iter(body))}" for method, _, body in calls),
)
def test_those_who_change_one_integration_at_once_lose_nothing(
    api: HttpApi, database_url: str, names: dict[str, Any], calls: Any
) -> None:
    number = names["integration"]
    api.ok("GET", "/v2/integration")  # its token is made, and noted as used
    with (
        make_engine(database_url).connect() as holder,
        ThreadPoolExecutor(len(calls)) as pool,
        connected(database_url) as watching,
    ):
        holder.exec_driver_sql("SELECT FROM integrations WHERE id = %s FOR UPDATE", (number,))
        asked = [
            pool.submit(api.ok, method, path.format(number), body) for method, path, body in calls
        ]
        try:
            eventually(
                lambda: number_waiting(watching) == len(calls) or any(a.done() for a in asked)
            )
            assert not any(a.done() for a in asked)
        finally:
            holder.rollback()
        for one in asked:
            one.result(30)
    (shown,) = api.ok("GET", "/v2/integration")["body"]["object"]
    on = [one["event"] for one in shown["events"] if one["active"]]
    assert (shown["name"], on) == ("Other", ["rules_and_triggers"])
    assert shown["active"] is (OFF not in calls)


def number_waiting(connection: Connection) -> int:
    """Return how many transactions wait for a lock of another."""
    found = connection.exec_driver_sql(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    )
    return int(found.scalar_one())


def test_all_integrations_are_listed_however_many_there_are(api: HttpApi) -> None:
    made = [
        api.ok("POST", "/v2/integration", {"name": f"N{n}", "target": KEY, "type": "pager_duty"})
        for n in range(3)
    ]
    api.line.sql(
        """INSERT INTO integrations (client_id, name, region, key_last4, subscriptions, enabled, created_by)
           SELECT 1, 'N', 'us', 'abcd', '{}', true, 'a' FROM generate_series(1, 1200)"""
    )
    listed = api.ok("GET", "/v2/integration")["body"]["object"]
    assert len(listed) == 1200 + len(made)
    assert len({one["id"] for one in listed}) == len(listed)


def test_the_owner_of_a_token_is_shown_with_the_role_of_the_token(
    api: HttpApi, line: CommandLine, names: dict[str, Any]
) -> None:
    made = line.json(
        *("tokens", "create", "--client", 1, "--role", "auditor", "--user", "ana@example.com")
    )
    headers = {"X-WallarmApi-Token": made["token"]}
    body = api.ok("POST", "/v1/user", role=None, headers=headers)["body"]
    assert (body["id"], body["email"], body["permissions"]) == (
        *(names["user"], "ana@example.com"),
        ["auditor"],
    )


def test_the_activity_log_finds_who_changed_something_by_number_on_both_of_its_paths(
    api: HttpApi, line: CommandLine, names: dict[str, Any]
) -> None:
    words = ("tokens", "create", "--client", 1, "--role", "admin", "--user", "ana@example.com")
    anas = {"X-WallarmApi-Token": line.json(*words)["token"]}
    path = f"/v2/integration/{names['integration']}"
    api.ok("PUT", path, {"name": "Ana's"}, role=None, headers=anas)
    api.ok("PUT", path, {"name": "Shared"})
    api.ok("POST", "/v1/objects/pool/create", {"name": "Shop"}, role=None, headers=anas)
    log = "/v1/activity_log/1/events?filter[object_types][]=integration"

    def found(*ids: int) -> list[tuple[int, str, str]]:
        asked = "".join(f"&filter[actor_ids][]={one}" for one in ids)
        lines = api.ok("GET", log + asked)["body"]["objects"]
        return [(o["initiator"]["id"], o["initiator"]["name"], o["object"]["name"]) for o in lines]

    ana = names["user"]
    hers = (ana, "Ana", "Ana's")
    assert found(ana) == [hers]
    assert [name for *_, name in found(0)] == ["Shared", "SOC"]
    assert found(0, ana) == found() == [found(0)[0], hers, found(0)[1]]
    assert found(ana + 1) == []

    def audited(**wanted: Any) -> list[tuple[str, int]]:
        body = {"limit": 100, "filter": wanted}
        lines = api.ok("POST", "/v1/audit_log", body)["body"]["objects"]
        return [(one["object_type"], one["object_userid"]) for one in lines]

    assert audited(object_userid=ana) == [("pool", ana), ("integration", ana)]
    assert audited(object_type="pool") == [("pool", ana)]
    assert audited(object_type="integration", action="update") == [
        ("integration", 0),
        ("integration", ana),
    ]
    assert audited(object_type="integration", action="delete") == []
    assert audited(object_clientid=1) == audited() == audited(something="else")
    for wrong in ({"object_clientid": 2}, {"object_type": "moon"}, {"object_userid": -1}):
        assert api.ask("POST", "/v1/audit_log", {"filter": wrong}).status_code in (400, 404)


def test_an_application_that_is_made_is_no_event(
    api: HttpApi, line: CommandLine, names: dict[str, Any]
) -> None:
    before = line.json("events", "list")["items"]
    api.ok("POST", "/v1/objects/pool/create", {"name": "Shop"})
    assert line.json("events", "list")["items"] == before
    assert line.json("activity", "list")["items"][0]["object_type"] == "application"
