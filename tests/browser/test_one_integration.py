"""One integration, as people use it: sentences 23, 24 and 28 of the original's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrypoints.api.owned import owned
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page


def test_it_is_disabled_and_enabled_with_the_same_settings(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    number, page = line.integration("--name", "SOC", "--subscribe", "system"), sign_in()
    kept = ("name", "region", "key", "subscriptions", "summary")
    before = line.json("integrations", "show", number)
    page.goto(f"/integrations/{number}")
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)
    page.goto(f"/integrations/{number}")
    expect(page.locator("h1")).to_contain_text("SOC is off")
    page.get_by_role("button", name="Enable now").click()
    expect(page.get_by_role("button", name="Enable now")).to_have_count(0)
    page.goto(f"/integrations/{number}")
    expect(page.locator("h1")).to_contain_text("SOC is on")
    after = line.json("integrations", "show", number)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_deleting_asks_says_that_all_configuration_goes_and_does_it(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    number, page = line.integration("--name", "SOC"), sign_in()
    page.goto(f"/integrations/{number}/settings")
    page.get_by_role("link", name="Delete SOC").click()
    expect(page.locator("main")).to_contain_text("All its configuration goes, for ever")
    assert line.json("integrations", "list")["items"] != []
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.locator("h1")).to_have_text("Integrations")
    assert line.json("integrations", "list")["items"] == []


def test_enabling_again_names_how_many_were_not_sent_and_offers_them(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    number, page = owned(line, 1).integration_id, sign_in()
    line.ok("integrations", "disable", number)
    line.sql("UPDATE notifications SET state = 'skipped', finished_at = now()")
    page.goto(f"/integrations/{number}")
    page.get_by_role("button", name="Enable now").click()
    expect(page.locator("main")).to_contain_text("1 alert was missed since")
    page.get_by_role("button", name="Send 1 alert").click()
    expect(page.locator("h1")).to_have_text("Sending 1 alert")
    expect(page.locator("#progress")).to_contain_text("0 of 1 given to workers")
