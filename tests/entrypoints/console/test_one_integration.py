"""The pages of one integration: its settings, a pause, its deletion, its failures, and what it missed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from entrypoints.api.owned import owned
from entrypoints.console.failing import failed_attempts, flood
from entrypoints.console.test_adding import kept_of
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import person
from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from entrypoints.console.web import Page
    from wallarm_notify.sandbox.client import SandboxClient

ADMIN = Role.ADMINISTRATOR
FORM = {"name": "Night shift", "region": "eu", "summary": "original", "had_all_risks": "0"}
TABS = ("", "/settings", "/failures", "/missed", "/delete")


def marks_of(page: Page) -> str:
    """What a form was opened with, in the field that it is sent back in."""
    (marks,) = (field["value"] for field in page.all("input") if field.get("name") == "marks")
    return str(marks)


def test_settings_are_changed_and_the_key_stays(api: HttpApi, line: CommandLine) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    before = line.json("integrations", "show", number)
    path = f"/integrations/{number}"
    done = admin.send(f"{path}/settings", {**FORM, "events": ["system"]})
    assert (done.status_code, done.headers["Location"]) == (303, path)
    after = line.json("integrations", "show", number)
    assert (after["name"], after["region"], after["subscriptions"]) == (
        "Night shift",
        "eu",
        ["system"],
    )
    assert after["key"] == before["key"]


def test_a_new_key_takes_the_place_of_the_old_and_a_wrong_one_of_none(
    api: HttpApi, line: CommandLine
) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    path = f"/integrations/{number}/settings"
    before = line.json("integrations", "show", number)
    refused = admin.send(path, {**FORM, "key": "c" * 31})
    page = check_page(refused)
    assert (refused.status_code, "31 characters" in page.text) == (400, True)
    assert "c" * 31 not in refused.text
    assert {f["value"] for f in page.all("input") if f.get("name") == "name"} == {"Night shift"}
    assert line.json("integrations", "show", number) == before
    new = "NewSecretKey0123456789abcdefgh12"
    assert admin.send(path, {**FORM, "key": f" {new}\t"}).status_code == 303
    assert line.json("integrations", "show", number)["key"] == "…gh12"


def test_who_saves_later_sees_what_was_changed_meanwhile(api: HttpApi, line: CommandLine) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    path = f"/integrations/{number}/settings"
    opened = {**FORM, "marks": marks_of(admin.page(path))}
    line.ok("integrations", "disable", number, "--reason", "night")
    line.ok("integrations", "update", number, "--name", "Day shift")
    refused = admin.send(path, opened)
    page = check_page(refused)
    assert refused.status_code == 400
    assert "somebody changed: name." in page.text, "a switch is no change of settings"
    assert line.json("integrations", "show", number)["name"] == "Day shift"
    assert {f["value"] for f in page.all("input") if f.get("name") == "name"} == {"Night shift"}
    assert admin.send(path, {**opened, "marks": marks_of(page)}).status_code == 303
    assert line.json("integrations", "show", number)["name"] == "Night shift"


def test_it_is_paused_until_a_time_and_enabled_again(api: HttpApi, line: CommandLine) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    path = f"/integrations/{number}"
    refused = admin.send(f"{path}/pause", {"hours": "2"})
    assert (refused.status_code, "choose one of these" in check_page(refused).text) == (400, True)
    done = admin.send(f"{path}/pause", {"hours": "8", "reason": "maintenance"})
    assert (done.status_code, done.headers["Location"]) == (303, path)
    shown = line.json("integrations", "show", number)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "maintenance")
    assert shown["disabled_until"] is not None
    assert re.search(r"is paused .*until .*maintenance", admin.page(path).text)
    assert admin.send(f"{path}/enable").status_code == 303
    assert line.json("integrations", "show", number)["enabled"]


def test_deleting_asks_names_what_is_lost_and_does_it(api: HttpApi, line: CommandLine) -> None:
    mine, admin = owned(line, 1), person(api, ADMIN)
    path, replay = f"/integrations/{mine.integration_id}", f"/replays/{mine.replay_id}"
    asked = check_page(admin.get(f"{path}/delete")).text
    assert "All its configuration goes, for ever" in asked
    assert "1 trigger no longer notifies it" in asked
    assert line.json("integrations", "show", mine.integration_id)["id"] == mine.integration_id
    assert f"{path}/missed" in {a["href"] for a in admin.page(replay).all("a")}
    done = admin.send(f"{path}/delete")
    assert (done.status_code, done.headers["Location"]) == (303, "/integrations")
    assert line.json("integrations", "list")["items"] == []
    assert admin.get(path).status_code == 404
    assert f"{path}/missed" not in {a["href"] for a in admin.page(replay).all("a")}


def test_failures_are_shown_as_a_share_with_the_limit_and_the_answers(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made)
    # What counts are the attempts of the present clean window.
    line.sql(
        "UPDATE attempts a SET generation = i.generation FROM integrations i WHERE i.id = a.integration_id"
    )
    number = line.json("notifications", "show", made)["integration_id"]
    page = check_page(person(api, ADMIN).get(f"/integrations/{number}/failures"))
    assert re.search(r"Last answer .*429.*Guards .*How failed attempts were answered", page.text)
    assert re.search(r"503 Service Unavailable 4", page.text)
    assert "No answer in time; they may have arrived 2" in page.text
    assert re.search(r"60\s*%", page.text)


def test_what_was_missed_is_sent_and_its_page_shows_progress_and_stops_it(
    api: HttpApi, line: CommandLine
) -> None:
    mine, admin = owned(line, 1), person(api, ADMIN)
    path = f"/integrations/{mine.integration_id}"
    page = check_page(admin.get(f"{path}/missed"))
    assert "1 alert missed since" in page.text
    assert sum(map(int, re.findall(r"(?:last hour|1 to 24 h|older): (\d+)", page.text))) == 1
    names = ("since", "offered_since")
    times = {str(f["name"]): f["value"] for f in page.all("input") if f["name"] in names}
    there = admin.send(f"{path}/replay", {**times, "which": "all"}).headers["Location"]
    assert "0 of 1 given to workers" in check_page(admin.get(there)).text
    part = admin.get(there, {"HX-Request": "true"})
    assert ("<html" in part.text, "0 of 1 given to workers" in part.text) == (False, True)
    assert "One replay at a time" in admin.page(f"{path}/missed").text
    assert admin.send(f"{there}/cancel").headers["Location"] == there
    ended = admin.page(there).text
    assert ("Cancelled after 0 of 1 alert" in ended, "Stop here" in ended) == (True, False)
    assert admin.send(f"{there}/cancel").status_code == 400


@pytest.mark.parametrize("tab", TABS)
def test_anothers_integration_is_not_there_and_an_analyst_sees_none(
    api: HttpApi, line: CommandLine, tab: str
) -> None:
    others, mine = owned(line, 2), owned(line, 1)
    assert person(api, ADMIN).get(f"/integrations/{others.integration_id}{tab}").status_code == 404
    analyst = person(api, Role.ANALYST)
    assert analyst.get(f"/integrations/{mine.integration_id}{tab}").status_code == 403


def test_a_saved_integration_is_tested_and_its_test_alerts_are_closed(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    number, admin = line.integration("--subscribe", "system"), person(api, ADMIN)
    path = f"/integrations/{number}"
    tested = admin.send(f"{path}/test")
    assert "PagerDuty took all 3 alerts" in check_page(tested).text
    closed = admin.send(f"{path}/close", {"opened": kept_of(tested)["opened"]})
    assert "The test alerts are closed" in check_page(closed).text
    actions = [one["body"]["event_action"] for one in sandbox.requests()]
    assert sorted(actions) == ["resolve"] * 3 + ["trigger"] * 3
    late = admin.send(f"{path}/close", {"opened": "x"})
    assert (late.status_code, "They are still open" in check_page(late).text) == (400, True)


def test_a_form_that_is_sent_twice_is_saved_once(api: HttpApi, line: CommandLine) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    path = f"/integrations/{number}/settings"
    opened = {**FORM, "marks": marks_of(admin.page(path))}
    assert [admin.send(path, opened).status_code for _ in range(2)] == [303, 303]


def test_a_key_of_a_form_that_came_too_late_is_to_be_pasted_again(
    api: HttpApi, line: CommandLine
) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    path = f"/integrations/{number}/settings"
    opened = {
        **FORM,
        "marks": marks_of(admin.page(path)),
        "key": "NewSecretKey0123456789abcdefgh12",
    }
    line.ok("integrations", "update", number, "--name", "Day shift")
    page = check_page(admin.send(path, opened))
    assert "aste it again: a key is never shown." in page.text
