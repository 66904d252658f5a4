"""The console in use: by keyboard alone, in the own time zone, and forms with and without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page


def test_times_are_in_the_own_zone_and_in_utc_by_one_switch(sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    page.goto("/coverage")
    expect(page.locator(".foot")).to_contain_text("Times in Berlin")
    page.get_by_label("Theme and times").click()
    page.locator(".top").get_by_role("button", name="UTC", exact=True).last.click()
    expect(page.locator(".foot")).to_contain_text("Times in UTC")


def test_the_slash_key_leads_to_the_search(line: CommandLine, sign_in: Callable[..., Page]) -> None:
    line.integration()
    page = sign_in()
    page.goto("/integrations")
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()


def test_the_first_key_leads_past_the_navigation(sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    page.goto("/coverage")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_integration_is_disabled_and_enabled_with_and_without_javascript(
    line: CommandLine, sign_in: Callable[..., Page], scripts: bool
) -> None:
    line.integration("--name", "SOC")
    page = sign_in(java_script_enabled=scripts)
    page.goto("/integrations")
    page.get_by_role("link", name="Disable SOC").click()
    page.get_by_label("Why").fill("holidays")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("holidays")).to_be_visible()
    page.get_by_role("button", name="Enable now SOC").click()
    expect(page.get_by_text("On", exact=True)).to_be_visible()


def test_on_a_phone_the_menu_leads_to_each_page(sign_in: Callable[..., Page]) -> None:
    page = sign_in(viewport={"width": 360, "height": 640}, has_touch=True)
    page.goto("/integrations")
    page.get_by_label("Menu").click()
    page.locator(".top").get_by_role("link", name="Coverage").click()
    expect(page.locator("h1")).to_contain_text("Nobody is told")
