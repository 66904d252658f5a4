"""The first page and who sees what, in a browser: sentences 1 and 29 of the original's page, and two tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from entrypoints.api.owned import owned, with_nobodys
from entrypoints.console.test_pages import PAGES, filled, reader_of
from entrypoints.console.web import link_for
from playwright.sync_api import expect

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import Thing, Verb, may

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Browser, Page

ADMIN = Role.ADMINISTRATOR
PHONE = {"width": 360, "height": 640}
ENTRIES = {
    "Integrations": Thing.INTEGRATIONS,
    "Triggers": Thing.TRIGGERS,
    "Settings": Thing.APPLICATIONS,
}


def test_integrations_is_reached_by_one_click_from_any_page(
    line: CommandLine, sign_in: Callable[..., Page], subtests: pytest.Subtests
) -> None:
    mine = with_nobodys(line, owned(line, 1))
    pages = {role: sign_in(role) for role in (ADMIN, Role.OPERATOR)}
    for route in PAGES:
        if not route.right.needs_token:
            continue
        page, path = pages[reader_of(route)], filled(route.path, mine)
        with subtests.test(path):
            page.goto(path)
            page.locator(".side").get_by_role("link", name="Integrations").click()
            expect(page).to_have_url(re.compile(r"/integrations(\?client_id=1)?$"))


def test_on_a_phone_integrations_is_in_the_menu_of_any_page(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    owned(line, 1)
    page = sign_in(viewport=PHONE, has_touch=True)
    for path in ("/overview", "/settings/users", "/notifications"):
        page.goto(path)
        page.get_by_label("Menu").click()
        page.locator(".top").get_by_role("link", name="Integrations").click()
        expect(page.locator("h1")).to_have_text("Integrations")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.READ_ONLY, Role.DEVELOPER])
def test_an_analyst_a_read_only_user_and_a_developer_see_neither_page_nor_menu_entry(
    line: CommandLine, sign_in: Callable[..., Page], role: Role
) -> None:
    owned(line, 1)
    page = sign_in(role)
    page.goto("/settings/sessions")
    expect(page.locator("h1")).to_have_text("Settings")
    for word, thing in ENTRIES.items():
        entry = page.locator(".side").get_by_role("link", name=word)
        expect(entry).to_have_count(int(may(role, thing, Verb.VIEW)))
    assert page.locator(".side").get_by_role("link", name="Integrations").count() == 0
    assert page.locator(".side").get_by_role("link", name="Triggers").count() == 0
    for path in ("/integrations", "/settings/users/new", "/settings/tokens"):
        answer = page.request.get(path)
        assert answer.status == 403
        assert "You are signed in as" in answer.text()


def test_an_open_overview_reads_itself_again(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    mine, page = owned(line, 1), sign_in()
    page.clock.install()
    page.goto("/overview")
    before = page.locator("#read").get_attribute("datetime")
    line.ok("integrations", "disable", mine.integration_id, "--reason", "night")
    page.clock.fast_forward(31_000)
    expect(page.locator("main")).to_contain_text("It has no integration that is on")
    expect(page.locator("#read")).not_to_have_attribute("datetime", str(before))


@pytest.mark.parametrize("scripts", [True, False])
def test_the_first_three_steps_lead_to_a_proven_integration(
    sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts)
    expect(page.locator("h1")).to_have_text("Three steps until somebody is paged")
    page.get_by_role("link", name="Add integration").click()
    page.get_by_label("Integration Key").fill("C" * 32)
    page.get_by_label("System related").check()
    page.get_by_role("button", name="Add integration").click()
    expect(page.locator("h1")).to_have_text("Integrations")
    page.goto("/overview")
    page.get_by_role("button", name="Drill now").click()
    expect(page.locator(".need").nth(1)).to_contain_text("2. Test it: done")


def test_a_form_that_was_open_when_the_session_ended_elsewhere_says_so_and_keeps_nothing(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    page.goto("/integrations/new")
    page.get_by_label("Integration Key").fill("C" * 32)
    line.sql("UPDATE sessions SET ended_at = now()")
    page.get_by_role("button", name="Add integration").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    expect(page.locator("main")).to_contain_text("Nothing was changed")
    assert "C" * 32 not in page.content()
    assert line.json("integrations", "list")["items"] == []


def test_a_tab_of_a_session_before_says_that_its_form_is_not_of_this_one(
    api: HttpApi, line: CommandLine, chromium: Browser
) -> None:
    # Not by the fixture: a browser counts the 403 that is wanted here as a fault.
    number, context = line.integration("--name", "SOC"), chromium.new_context(base_url=api.url)
    first, second = context.new_page(), context.new_page()
    first.goto(link_for(api, ADMIN))
    first.get_by_role("button", name="Sign in").click()
    first.wait_for_url(lambda url: "/sign-in" not in url)
    first.goto(f"/integrations/{number}/disable")
    first.get_by_label("Why").fill("holidays")
    second.goto("/overview")
    second.get_by_label("Account").click()
    second.get_by_role("button", name="Sign out").last.click()
    second.get_by_label("API token").fill(api.token())
    second.get_by_role("button", name="Sign in").click()
    expect(second.locator("h1")).to_be_visible()
    with first.expect_response(lambda answer: answer.request.method == "POST") as sent:
        first.get_by_role("button", name="Disable").click()
    assert sent.value.status == 403
    expect(first.locator("main")).to_contain_text("it may be from before you signed in")
    context.close()
    assert line.json("integrations", "show", number)["enabled"]


def test_an_open_page_leads_to_signing_in_once_its_session_was_ended_elsewhere(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    page, other = sign_in(), sign_in()
    page.goto("/settings/sessions")
    page.get_by_role("button", name="End").click()
    expect(page.locator("main")).to_contain_text("Nobody else is signed in")
    other.goto("/notifications")
    expect(other.locator("h1")).to_have_text("Sign in")
    page.goto("/notifications")
    expect(page.locator("h1")).to_have_text("Notifications")
