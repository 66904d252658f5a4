"""The form that adds an integration: what it keeps, what it refuses, and a test before anything is saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from entrypoints.command_line import KEY
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import Page, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.chosen_events import chosen_events
from wallarm_notify.domain.event import SECURITY_ISSUES

if TYPE_CHECKING:
    from requests import Response

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

ADMIN = Role.ADMINISTRATOR
FORM = {"name": "SOC on call", "region": "us", "had_all_risks": "0"}


def kept_of(answer: Response) -> dict[str, Any]:
    """What a form of a page keeps of a key and of a test."""
    fields = Page(answer.text).all("input")
    return {str(f["name"]): f["value"] for f in fields if f.get("name") in ("kept", "opened")}


@pytest.mark.parametrize(
    ("boxes", "had_all", "chosen"),
    [
        ([], False, ()),
        (["security_issue"], False, SECURITY_ISSUES),
        (["security_issue", *SECURITY_ISSUES], True, SECURITY_ISSUES),
        ([*SECURITY_ISSUES], True, ()),
        ([*SECURITY_ISSUES[:4]], True, SECURITY_ISSUES[:4]),
        (["security_issue", *SECURITY_ISSUES[:4]], True, SECURITY_ISSUES[:4]),
        (["system", SECURITY_ISSUES[1]], False, ("system", SECURITY_ISSUES[1])),
    ],
)
def test_one_box_stands_for_the_five_risks_also_without_a_script(
    boxes: list[str], had_all: bool, chosen: tuple[str, ...]
) -> None:
    assert chosen_events(boxes, had_all_risks=had_all) == chosen


def test_an_integration_is_added_by_the_form(api: HttpApi, line: CommandLine) -> None:
    done = person(api, ADMIN).send(
        "/integrations/new", {**FORM, "key": f" {KEY}\t", "events": ["system", "security_issue"]}
    )
    assert (done.status_code, done.headers["Location"]) == (303, "/integrations")
    (made,) = line.json("integrations", "list")["items"]
    assert (made["name"], made["enabled"], made["region"]) == ("SOC on call", True, "us")
    assert set(made["subscriptions"]) == {"system", *SECURITY_ISSUES}


@pytest.mark.parametrize(
    "wrong",
    [
        ("a" * 31, "31 characters"),
        ("a" * 31 + "-", "not all of them letters or digits"),
        ("a" * 20, "REST API key"),
        ("", "0 characters"),
    ],
)
@pytest.mark.parametrize("path", ["/integrations/new", "/integrations/new/test"])
def test_a_wrong_key_is_distinguished_beside_the_field_and_nothing_is_sent(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient, path: str, wrong: tuple[str, str]
) -> None:
    key, words = wrong
    answer = person(api, ADMIN).send(path, {**FORM, "key": key, "events": ["system"]})
    page = check_page(answer)
    assert answer.status_code == 400
    assert words in page.text
    (field,) = [f for f in page.all("input") if f.get("name") == "key"]
    assert (field["value"], field["aria-invalid"]) == ("", "true")
    assert not key or key not in answer.text
    assert {f["value"] for f in page.all("input") if f.get("name") == "name"} == {"SOC on call"}
    assert [f["value"] for f in page.all("input") if "checked" in f] == ["system"]
    assert sandbox.requests() == []
    assert line.json("integrations", "list")["items"] == []


def test_a_test_shows_each_answer_and_the_key_it_kept_saves_the_integration(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    admin = person(api, ADMIN)
    tested = admin.send("/integrations/new/test", {**FORM, "key": KEY, "events": ["system"]})
    page = check_page(tested)
    assert "PagerDuty took all 3 alerts" in page.text
    assert page.text.count("[Test message]") == 3
    assert line.json("integrations", "list")["items"] == []
    kept = kept_of(tested)
    closed = admin.send("/integrations/new/close", {**FORM, **kept})
    assert "The test alerts are closed" in check_page(closed).text
    actions = [one["event_action"] for one in (r["body"] for r in sandbox.requests())]
    assert sorted(actions) == ["resolve"] * 3 + ["trigger"] * 3
    done = admin.send(
        "/integrations/new", {**FORM, "kept": kept_of(closed)["kept"], "events": "system"}
    )
    assert done.status_code == 303
    (made,) = line.json("integrations", "list")["items"]
    assert made["key"] == f"…{KEY[-4:]}"


def test_a_test_that_fails_shows_code_words_and_what_to_do(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    sandbox.set_keys(["B" * 32])
    answer = person(api, ADMIN).send("/integrations/new/test", {**FORM, "key": KEY})
    page = check_page(answer)
    assert "PagerDuty took none of the 3 alerts" in page.text
    assert "400" in page.text
    assert "What to do" in page.text
    assert "opened" not in kept_of(answer)


def test_a_kept_key_is_of_use_to_its_own_session_alone(api: HttpApi, line: CommandLine) -> None:
    admin, other = person(api, ADMIN), person(api, ADMIN)
    kept = kept_of(admin.send("/integrations/new/test", {**FORM, "key": KEY}))
    for stolen in (kept["kept"], kept["opened"], "x"):
        answer = other.send("/integrations/new", {**FORM, "kept": stolen})
        assert (answer.status_code, "paste the key again" in answer.text) == (400, True)
    late = other.send("/integrations/new/close", {**FORM, "opened": kept["opened"]})
    assert (late.status_code, "They are still open" in late.text) == (400, True)
    wrong = admin.send("/integrations/new", {**FORM, "kept": kept["opened"]})
    assert wrong.status_code == 400


def test_a_kept_key_is_forgotten_after_half_an_hour(line: CommandLine) -> None:
    def unsealed(valid_for: timedelta) -> str | None:
        return line.wiring.context.store.transact(lambda tx: tx.cipher.unseal(sealed, valid_for))

    sealed = line.wiring.context.store.transact(lambda tx: tx.cipher.seal("a key"))
    assert unsealed(timedelta(minutes=30)) == "a key"
    assert unsealed(timedelta(seconds=-1)) is None


def test_without_any_event_it_is_saved_with_a_note(api: HttpApi, line: CommandLine) -> None:
    answer = person(api, ADMIN).send("/integrations/new", {**FORM, "key": KEY})
    assert answer.status_code == 200
    assert "only triggers can use it" in check_page(answer).text
    assert len(line.json("integrations", "list")["items"]) == 1


def test_the_form_suggests_a_name_and_has_the_addresses_of_each_cloud(
    api: HttpApi, line: CommandLine
) -> None:
    line.ok("clients", "set", 1, "--cloud", "eu")
    page = person(api, ADMIN).page("/integrations/new")
    (name,) = [f["value"] for f in page.all("input") if f.get("name") == "name"]
    today = datetime.now(UTC)
    assert name is not None
    assert name.startswith("PagerDuty integration by ")
    assert name.endswith(
        (f", {today:%b} {today.day}", f"{today - timedelta(days=1):%b} {today.day - 1}")
    )
    assert "Cloud EU" in page.text
    (block,) = [
        b["data-copy"] or "" for b in page.all("button") if "34.141" in (b.get("data-copy") or "")
    ]
    assert len(block.split()) == 6
    assert "Cloud US : 15" in page.text.replace("US:", "US :")
    assert "34.166.215.174" in page.text
