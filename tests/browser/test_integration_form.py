"""The form that adds an integration, as people use it: sentences 2 to 17 of the original's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from entrypoints.command_line import KEY
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page

    from wallarm_notify.sandbox.client import SandboxClient


@pytest.fixture
def form(sign_in: Callable[..., Page]) -> Page:
    page = sign_in()
    page.goto("/integrations/new")
    return page


def test_add_integration_opens_the_form(sign_in: Callable[..., Page]) -> None:
    page = sign_in()
    page.goto("/integrations")
    page.get_by_role("link", name="Add integration").first.click()
    expect(page.locator("h1")).to_have_text("Add PagerDuty integration")


@pytest.mark.parametrize("others", [0, 1])
def test_a_click_on_the_pagerduty_block_opens_the_form(
    line: CommandLine, sign_in: Callable[..., Page], others: int
) -> None:
    for _ in range(others):
        line.integration()
    page = sign_in()
    page.goto("/integrations")
    page.get_by_role("link", name="PagerDuty Add PagerDuty integration").click()
    expect(page.locator("h1")).to_have_text("Add PagerDuty integration")


def test_the_steps_for_pagerdutys_side_are_in_order_and_end_with_the_key(form: Page) -> None:
    steps = form.locator(".steps li").all_inner_texts()
    assert len(steps) == 6
    assert "Configuration" in steps[0]
    assert "Integration Key" in steps[-1]


def test_a_name_can_be_entered_and_one_is_suggested(form: Page) -> None:
    name = form.get_by_label("Integration name")
    assert name.input_value().startswith("PagerDuty integration by ")
    name.fill("SOC")
    expect(name).to_have_value("SOC")


def test_the_key_can_be_pasted_with_white_space_around_it(line: CommandLine, form: Page) -> None:
    form.get_by_label("Integration Key").fill(f"  {KEY} ")
    expect(form.get_by_text("32 letters and digits, as an Integration Key is")).to_be_visible()
    form.get_by_role("button", name="Add integration").click()
    expect(form.locator("h1")).to_contain_text("is added")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a" * 12, "12 of 32 characters"),
        ("a" * 33, "33 characters: an Integration Key has 32"),
        ("a" * 31 + "!", "something else than letters and digits"),
        ("u+Ab" * 5, "looks like a REST API key"),
    ],
)
def test_a_wrong_key_is_distinguished_as_it_is_typed(
    form: Page, sandbox: SandboxClient, key: str, words: str
) -> None:
    form.get_by_label("Integration Key").fill(key)
    expect(form.locator("#h-key")).to_contain_text(words)
    assert form.locator("#h-key p:visible").count() == 1
    assert sandbox.requests() == []


def test_system_related_can_be_chosen_and_says_what_it_names(form: Page) -> None:
    box = form.get_by_label("System related")
    box.check()
    expect(box).to_be_checked()
    words = form.locator("label", has_text="System related").inner_text()
    for word in ("created, deleted", "role", "disabled", "renamed", "specification"):
        assert word in words


def test_rules_and_triggers_changed_can_be_chosen(form: Page) -> None:
    form.get_by_label("Rules and triggers changed").check()
    expect(form.locator("label", has_text="Rules and triggers")).to_contain_text(
        "Created, updated or deleted"
    )


def test_security_issues_are_chosen_all_at_once_or_by_risk(form: Page) -> None:
    parent, low = form.get_by_label("Security issues detected"), form.get_by_label("Low risk")
    parent.check()
    expect(low).to_be_checked()
    low.uncheck()
    assert parent.evaluate("box => box.indeterminate")
    expect(form.locator("[data-count-of]")).to_have_text("4 of 5")
    parent.check()
    expect(low).to_be_checked()
    parent.uncheck()
    expect(low).not_to_be_checked()
    assert not parent.evaluate("box => box.indeterminate")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_integration_is_tested_before_it_is_saved_and_then_added(
    sign_in: Callable[..., Page], scripts: bool
) -> None:
    page = sign_in(java_script_enabled=scripts)
    page.goto("/integrations/new")
    page.get_by_label("Integration name").fill("SOC")
    page.get_by_label("Integration Key").fill(KEY)
    page.get_by_label("High risk").check()
    page.get_by_role("button", name="Test integration").click()
    expect(page.locator("#answer")).to_contain_text("PagerDuty took all 3 alerts")
    expect(page.locator("#answer li")).to_have_count(3)
    for one in page.locator("#answer li").all():
        expect(one).to_contain_text("[Test message]")
        expect(one).to_contain_text("202 Event processed")
    page.get_by_role("button", name="Close the 3 test alerts").click()
    expect(page.locator("#answer")).to_contain_text("The test alerts are closed")
    page.get_by_role("button", name="Add integration").click()
    card = page.locator(".card", has_text="SOC")
    expect(card).to_contain_text("On")
    expect(card).to_contain_text("High risk")


def test_a_failed_test_shows_code_and_words_and_the_form_keeps_what_was_entered(
    form: Page, sandbox: SandboxClient
) -> None:
    sandbox.set_keys(["B" * 32])
    form.get_by_label("Integration name").fill("Payments")
    form.get_by_label("Integration Key").fill(KEY)
    form.get_by_label("Info risk").check()
    form.get_by_role("button", name="Test integration").click()
    expect(form.locator("#answer li").first).to_contain_text("400")
    expect(form.locator(".todo").first).to_be_visible()
    expect(form.get_by_label("Integration name")).to_have_value("Payments")
    expect(form.get_by_label("Info risk")).to_be_checked()
    expect(form.get_by_text(f"ends in …{KEY[-4:]}")).to_be_visible()
    assert KEY not in form.content()


def test_the_key_enter_saves_and_sends_no_alert(form: Page, sandbox: SandboxClient) -> None:
    form.get_by_label("System related").check()
    form.get_by_label("Integration Key").fill(KEY)
    form.get_by_label("Integration Key").press("Enter")
    expect(form.locator("h1")).to_have_text("Integrations")
    assert sandbox.requests() == []


def test_the_clouds_addresses_are_shown_and_copied_as_a_block(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/integrations/new")
    page.get_by_role("button", name="Copy all 15").click()
    expect(page.locator("#live")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert len(copied.split()) == 15
    assert page.locator(".others summary").all_inner_texts() == ["Cloud EU: 6", "Cloud ME: 1"]


def test_without_any_event_it_can_be_saved_with_a_note_that_only_triggers_can_use_it(
    line: CommandLine, form: Page
) -> None:
    expect(
        form.get_by_text("With none chosen it can be saved, and only triggers use it.")
    ).to_be_visible()
    form.get_by_label("Integration name").fill("For triggers")
    form.get_by_label("Integration Key").fill(KEY)
    form.get_by_role("button", name="Add integration").click()
    expect(form.locator("h1")).to_have_text("For triggers is added, and on")
    expect(form.locator(".need")).to_contain_text("trigger")
    form.get_by_role("link", name="Back to integrations").click()
    card = form.locator(".card", has_text="For triggers")
    expect(card).to_contain_text("No events of its own")
    assert line.json("integrations", "list")["items"][0]["subscriptions"] == []


def test_several_pagerduty_integrations_exist_side_by_side(line: CommandLine, form: Page) -> None:
    line.integration("--name", "First")
    form.get_by_label("Integration name").fill("Second")
    form.get_by_label("Integration Key").fill("C" * 32)
    form.get_by_label("System related").check()
    form.get_by_role("button", name="Add integration").click()
    expect(form.locator("article.card")).to_have_count(2)
