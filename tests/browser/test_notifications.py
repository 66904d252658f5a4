"""Pages of notifications in a browser: at three in the morning, and while an attempt is still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from entrypoints.console.failing import failed_attempts, flood
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page

PHONE = {"width": 360, "height": 640}


@pytest.fixture
def failing(line: CommandLine) -> int:
    """A notification of which seven attempts have failed."""
    made, _ = flood(line)
    failed_attempts(line, made)
    return made


def test_on_a_phone_the_first_screen_has_the_state_what_and_when_the_next_step_and_the_pause(
    failing: int, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(viewport=PHONE, has_touch=True)
    page.goto(f"/notifications/{failing}")
    for one in (
        page.get_by_role("heading", name="Retrying (7 of 17)"),
        page.get_by_text("SQLi flood: more than 30 attacks in 1 hour").first,
        page.get_by_text("31 attacks within 1 hour, the last at"),
        page.get_by_text("Next attempt at"),
        page.get_by_role("link", name="Pause trigger"),
    ):
        box = one.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= PHONE["height"]


def test_while_pagerduty_answers_no_2xx_each_attempt_its_code_and_the_time_of_the_next_are_seen_on_three_cycles(
    failing: int, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    page.goto(f"/notifications/{failing}")
    expect(page.locator(".attempts .row")).to_have_count(17)
    expect(page.locator(".attempts .cycle")).to_have_count(3)
    expect(page.locator(".attempts .row .code")).to_have_text(
        ["503", "503", "No answer", "No answer", "503", "503", "429"]
    )
    expect(page.locator(".attempts .row.now")).to_contain_text("Next, in 1 min")
    expect(page.locator(".place")).to_have_count(17)


def test_the_time_of_the_next_attempt_counts_down(
    failing: int, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    page.goto(f"/notifications/{failing}")
    counting = page.locator(".place.now [data-until]")
    first = counting.inner_text()
    expect(counting).not_to_have_text(first)


def test_a_page_that_is_open_goes_on_by_itself(
    failing: int, line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    page.goto(f"/notifications/{failing}")
    page.get_by_text("The whole body").click()
    line.sql(
        f"UPDATE notifications SET state = 'delivered', finished_at = now() WHERE id = {failing}"
    )
    expect(page.locator("h1")).to_have_text("Accepted by PagerDuty")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_timeline_is_copied_as_markdown_with_and_without_javascript(
    failing: int, sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/notifications/{failing}")
    page.get_by_role("link", name="Copy timeline as Markdown").click()
    if scripts:
        expect(page.locator("#live")).to_have_text("Copied")
        text = page.evaluate("navigator.clipboard.readText()")
    else:
        text = page.get_by_label("Markdown").input_value()
    assert text.startswith("## Retrying (7 of 17): ")
    assert "| 7 |" in text


@pytest.mark.parametrize("scripts", [True, False])
def test_the_trigger_is_paused_with_and_without_javascript(
    failing: int, sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts)
    page.goto(f"/notifications/{failing}")
    page.get_by_role("link", name="Pause trigger").click()
    page.get_by_label("For how long").select_option("4 hours")
    page.get_by_role("button", name="Pause trigger").click()
    expect(page.get_by_text("The trigger is paused until")).to_be_visible()
    page.get_by_role("button", name="Enable trigger again").click()
    expect(page.get_by_role("link", name="Pause trigger")).to_be_visible()
