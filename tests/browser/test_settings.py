"""Settings in a browser: a user who signs in by a link, a token that is shown once, and the log as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page


@pytest.mark.parametrize("scripts", [True, False])
def test_a_user_is_added_and_signs_in_by_the_link(
    chromium: Browser, sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts)
    page.get_by_role("link", name="Settings").first.click()
    page.get_by_role("link", name="Add user").click()
    page.get_by_label("Name").fill("Tom")
    page.get_by_label("E-mail address").fill("tom@example.com")
    page.get_by_label("Role").select_option("Analyst")
    page.get_by_role("button", name="Add user").click()
    expect(page.locator("h1")).to_have_text("Tom is enabled")
    page.get_by_role("button", name="Make a sign-in link").click()
    link = page.locator("#answer code").inner_text()
    context = chromium.new_context()
    other = context.new_page()
    other.goto(link)
    expect(other.locator("main")).to_contain_text("tom@example.com")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("link", name="Coverage").first).to_be_visible()
    context.close()


def test_a_token_is_copied_when_it_is_made(sign_in: Callable[..., Page]) -> None:
    page = sign_in(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/settings/tokens/new")
    page.get_by_label("Token name").fill("CI")
    page.get_by_label("Role").select_option("Administrator")
    page.get_by_role("button", name="Make token").click()
    shown = page.locator(".secrets code").first.inner_text()
    page.get_by_role("button", name="Copy token").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("h1")).to_have_text("CI")
    assert shown not in page.content()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_log_is_filtered_and_what_is_filtered_is_downloaded(
    sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts, accept_downloads=True)
    page.goto("/settings/activity")
    page.get_by_label("What").select_option("Session")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert (len(lines), "session" in lines[1]) == (2, True)
