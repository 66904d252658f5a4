"""The operator's pages in a browser: what reads itself again leaves whoever reads it alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from build import an_event_object
from entrypoints.api.test_dead_letters import undecodable
from entrypoints.console.test_operator import all_is_well
from playwright.sync_api import expect

from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page, Route


def read_again(page: Page) -> None:
    """Have the page read itself again at once, as it does every 10 s."""
    with page.expect_response("**/system") as answered:
        page.clock.fast_forward(11_000)
    answered.value.finished()


def test_the_system_reads_itself_again_without_moving_a_row_or_taking_the_focus(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    all_is_well(line)
    page = sign_in(Role.OPERATOR, viewport={"width": 1024, "height": 500})
    page.clock.install()
    page.goto("/system")
    expect(page.locator("h1")).to_have_text("Paging works")
    page.locator("summary", has_text="Berlin").click()
    page.locator(".search input").focus()
    page.mouse.wheel(0, 300)
    page.wait_for_function("scrollY > 0")
    scrolled = page.evaluate("scrollY")
    rows = page.locator("#now tr").count()
    line.sql("UPDATE queue_lengths SET messages = 1234 WHERE queue = 'retries'")
    read_again(page)
    expect(page.locator("#now tr", has_text="retries").first).to_contain_text("1,234")
    assert page.locator("#now tr").count() == rows
    assert page.evaluate("scrollY") == scrolled
    assert page.evaluate("document.activeElement.name") == "q"
    assert page.locator("details[open]").count() == 1


def test_a_page_that_cannot_be_read_again_keeps_what_it_shows(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    all_is_well(line)
    # A page of its own: what fails here is meant to.
    page = sign_in(Role.OPERATOR).context.new_page()
    page.clock.install()
    page.goto("/system")
    expect(page.locator("h1")).to_have_text("Paging works")
    rows = page.locator("#now tr").count()
    asked: list[str] = []

    def is_away(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            status=503, content_type="text/html", body="<h1>This cannot be shown now</h1>"
        )

    page.route("**/system", is_away)
    for times in (1, 2):
        read_again(page)
        assert len(asked) == times
    expect(page.locator("h1")).to_have_text("Paging works")
    assert page.locator("#now tr").count() == rows
    page.unroute("**/system")
    line.sql("UPDATE queue_lengths SET messages = 1234 WHERE queue = 'retries'")
    read_again(page)
    expect(page.locator("#now tr", has_text="retries").first).to_contain_text("1,234")


def test_an_undecodable_message_is_mended_by_the_keyboard_alone(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    undecodable(line, b'[{"type": "user.created", "client_id": 1')
    page = sign_in(Role.OPERATOR)
    page.goto("/undecodable")
    page.get_by_role("link", name="no JSON").focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("The message, mended")
    expect(field).to_have_value('[{"type": "user.created", "client_id": 1')
    field.fill(json.dumps([an_event_object()]))
    field.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("1 event is taken in")
