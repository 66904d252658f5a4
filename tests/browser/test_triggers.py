"""Triggers in a browser, as people make them: sentences 18 to 22 and 30 of the original's page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from build import an_event_for
from entrypoints.console.failing import flood
from playwright.sync_api import expect

from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Locator, Page

PHONE = {"width": 360, "height": 640}


def newest(line: CommandLine) -> dict[str, Any]:
    listed: list[dict[str, Any]] = line.json("triggers", "list")["items"]
    return listed[-1]


def sentence(page: Page) -> Locator:
    return page.locator("#read-back")


def begin(page: Page, condition: str) -> None:
    """Open the form of a new trigger by clicks alone."""
    page.goto("/triggers")
    page.get_by_role("link", name="Create trigger").click()
    page.get_by_role("link", name=condition).click()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("counted", "threshold"),
    [
        ("attacks", ("30", "45", "seconds", 45)),
        ("hits", ("1000", "45", "minutes", 2700)),
        ("incidents", ("0", "30", "days", 2_592_000)),
    ],
)
def test_a_trigger_is_made_for_the_number_of_attacks_of_hits_of_incidents_over_seconds_to_days(
    line: CommandLine,
    sign_in: Callable[..., Page],
    scripts: bool,
    counted: str,
    threshold: tuple[str, str, str, int],
) -> None:
    line.integration("--name", "SOC")
    page = sign_in(java_script_enabled=scripts)
    begin(page, f"Number of {counted}")
    count, period, unit, seconds = threshold
    page.get_by_label("Limit", exact=True).fill(count)
    page.get_by_label("Interval", exact=True).fill(period)
    page.get_by_label("Unit of the interval").select_option(unit)
    page.get_by_label("Name", exact=True).fill("Made in a browser")
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator("h1")).to_have_text("Made in a browser is enabled")
    expect(page.locator(".sentence")).to_contain_text(f"more than {int(count):,} {counted} within")
    assert newest(line)["threshold"] == {"count": int(count), "period": seconds, "operator": "gt"}


def test_what_is_not_counted_is_named_there_experimental_ones_and_hits_outside_of_the_sample(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    line.integration()
    page = sign_in()
    begin(page, "Number of attacks")
    expect(page.get_by_text("Experimental attacks are not counted.")).to_be_visible()
    page.get_by_label("Condition").select_option("hits_exceeded")
    expect(
        page.get_by_text("Experimental hits are not counted, nor are hits outside of the sample.")
    ).to_be_visible()


@pytest.mark.parametrize(
    ("condition", "event", "words"),
    [
        ("Changes in API", "api_structure_changed", "the API changes"),
        ("Denylisted IP", "blacklist_ip_added", "an IP address is denylisted"),
        ("Rogue API", "rogue_api_detected", "a shadow or zombie endpoint is found"),
        ("New user", "user_created", "a user is added"),
    ],
)
def test_also_for_changes_in_api_a_denylisted_ip_a_rogue_api_and_a_new_user(
    line: CommandLine, sign_in: Callable[..., Page], condition: str, event: str, words: str
) -> None:
    line.integration("--name", "SOC")
    ingest(line.wiring.context, [an_event_for(event, datetime.now(UTC), client_id=1)], [])
    page = sign_in()
    begin(page, condition)
    expect(sentence(page)).to_contain_text(f"When {words}")
    expect(page.locator("#trial")).to_contain_text("It would have sent 1 alert in the last 7 days")
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator(".sentence")).to_contain_text(f"{words}")
    made = newest(line)
    assert (made["condition"], made["threshold"]) == (event, None)


@pytest.mark.parametrize("scripts", [True, False])
def test_one_or_more_filters_are_added_and_only_those_of_the_condition_are_offered(
    line: CommandLine, sign_in: Callable[..., Page], scripts: bool
) -> None:
    line.integration("--name", "SOC")
    page = sign_in(java_script_enabled=scripts)
    begin(page, "Number of hits")
    add = page.get_by_label("Filter to add")
    offered = ["Attack type", "Application", "IP address", "Domain", "Response status"]
    expect(add.locator("option")).to_have_text(offered)
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_label("SQLi", exact=True).check()
    add.select_option("domain")
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_label("Domain, one a line").fill("shop.example.com\ncheckout.example.com")
    page.get_by_label("Domain is").select_option("ne")
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator(".sentence")).to_contain_text(
        "hits of type SQLi on any domain but shop.example.com or checkout.example.com within"
    )
    assert newest(line)["filters"] == [
        {"id": "attack_type", "operator": "eq", "values": ["sqli"]},
        {
            "id": "domain",
            "operator": "ne",
            "values": ["shop.example.com", "checkout.example.com"],
        },
    ]


def test_the_sentence_and_the_trial_follow_what_is_entered(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    flood(line)
    page = sign_in()
    begin(page, "Number of attacks")
    trial = page.locator("#trial")
    expect(trial).to_contain_text("It would have sent 1 alert")
    page.get_by_label("Limit", exact=True).fill("50")
    page.get_by_label("Interval", exact=True).focus()
    expect(sentence(page)).to_contain_text("more than 50 attacks")
    expect(trial).to_contain_text("It would have sent no alert")
    trial.get_by_role("button", name="10 1 alert").click()
    expect(sentence(page)).to_contain_text("more than 10 attacks")
    expect(page.get_by_label("Limit", exact=True)).to_have_value("10")
    expect(trial.locator("[aria-pressed=true] b")).to_have_text("10")
    page.get_by_role("button", name="Add a filter").click()
    expect(sentence(page)).to_contain_text("Not yet: choose a value")
    page.get_by_label("XSS", exact=True).check()
    expect(trial).to_contain_text("No attacks that match came in that time.")
    page.get_by_role("button", name="Remove filter Attack type").click()
    expect(trial).to_contain_text("It would have sent 1 alert")
    page.get_by_label("Condition").select_option("user_created")
    expect(sentence(page)).to_contain_text("a user is added")
    assert line.json("triggers", "list")["items"][1:] == [], "nothing was stored"


@pytest.mark.parametrize("scripts", [True, False])
def test_one_or_several_integrations_are_selected(
    line: CommandLine, sign_in: Callable[..., Page], scripts: bool
) -> None:
    numbers = [line.integration("--name", name) for name in ("First", "Second", "Third")]
    line.ok("integrations", "disable", numbers[2], "--reason", "moved")
    page = sign_in(java_script_enabled=scripts)
    begin(page, "New user")
    page.get_by_label("First").check()
    page.get_by_label("Third").check()
    expect(page.locator("label", has_text="Third")).to_contain_text("Off: what comes is kept")
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator(".sentence")).to_contain_text("tell First and Third.")
    assert newest(line)["integration_ids"] == [numbers[0], numbers[2]]


def test_without_an_active_integration_the_form_leads_to_integrations(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    page = sign_in()
    begin(page, "New user")
    page.get_by_role("link", name="Set up in Integrations").click()
    expect(page.locator("h1")).to_have_text("Add PagerDuty integration")


def test_a_trigger_is_edited_duplicated_disabled_and_deleted_from_its_menu(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    flood(line)
    page = sign_in()

    def choose(entry: str) -> None:
        page.goto("/triggers")
        page.get_by_label("What to do with SQLi flood", exact=True).click()
        page.locator(".dropped:visible").get_by_text(entry, exact=True).click()

    choose("Edit")
    page.get_by_label("Limit", exact=True).fill("40")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator(".sentence")).to_contain_text("more than 40 attacks")
    choose("Duplicate")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Copy of SQLi flood")
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator("h1")).to_have_text("Copy of SQLi flood is enabled")
    choose("Disable …")
    page.get_by_role("button", name="Disable").click()
    expect(page.locator("h1")).to_have_text("SQLi flood is disabled")
    choose("Enable")
    expect(page.locator("h1")).to_have_text("SQLi flood is enabled")
    choose("Delete …")
    expect(page.locator("main")).to_contain_text("All its configuration goes, for ever")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.locator(".trig")).to_have_count(1)
    assert newest(line)["name"] == "Copy of SQLi flood"


def test_a_trigger_is_made_by_the_keyboard_alone(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    line.integration("--name", "SOC")
    page = sign_in()

    def reach(what: Locator) -> None:
        """Press Tab until it has the focus, which can be seen."""
        for _ in range(80):
            if what.evaluate("one => one === document.activeElement"):
                assert what.evaluate("one => one.matches(':focus-visible')")
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {what}")

    page.goto("/triggers")
    reach(page.get_by_role("link", name="Create trigger"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/triggers/new")
    reach(page.get_by_role("link", name="Number of attacks"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/triggers/new?condition=attacks_exceeded")
    reach(page.get_by_label("Limit", exact=True))
    page.keyboard.type("7")
    reach(page.get_by_role("button", name="Add a filter"))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Remove filter Attack type")).to_be_visible()
    # What one was at keeps the focus, so that one can go on from there.
    expect(page.get_by_role("button", name="Add a filter")).to_be_focused()
    page.get_by_role("button", name="Remove filter Attack type").focus()
    page.keyboard.press("Tab")
    reach(page.get_by_label("SQLi", exact=True))
    page.keyboard.press("Space")
    expect(sentence(page)).to_contain_text(
        "more than 7 attacks of type SQLi within 1 hour, tell SOC."
    )
    reach(page.get_by_label("Name", exact=True))
    page.keyboard.press("Enter")
    expect(page.locator(".sentence")).to_contain_text("more than 7 attacks of type SQLi")
    assert newest(line)["threshold"]["count"] == 7


def test_at_360_pixels_a_trigger_is_made_and_found(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    flood(line)
    page = sign_in(viewport=PHONE, has_touch=True)
    begin(page, "Number of attacks")
    expect(page.locator("#trial")).to_contain_text("It would have sent 1 alert")
    page.get_by_label("Payments on-call").check()
    page.get_by_label("Name", exact=True).fill("From a phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Create", exact=True).last.click()
    expect(page.locator("h1")).to_have_text("From a phone is enabled")
    page.goto("/triggers")
    row = page.locator(".trig", has_text="SQLi flood")
    for one in (
        row.locator(".name"),
        row.locator(".state"),
        row.locator(".days"),
        row.locator("summary"),
    ):
        box = one.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_pausing_a_trigger_is_the_same_from_a_notification_and_from_its_own_page(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    made, trigger = flood(line)
    page = sign_in()
    page.goto(f"/notifications/{made}")
    page.get_by_role("link", name="SQLi flood").click()
    expect(page.locator("h1")).to_have_text("SQLi flood is enabled")
    page.get_by_role("link", name="Pause trigger").click()
    page.get_by_label("For how long").select_option("4")
    page.get_by_role("button", name="Pause trigger").click()
    expect(page.locator("h1")).to_have_text("SQLi flood is paused")
    page.goto(f"/notifications/{made}")
    expect(page.get_by_role("button", name="Enable trigger again")).to_be_visible()
    page.goto(f"/triggers/{trigger}")
    page.get_by_role("button", name="Enable trigger").click()
    expect(page.locator("h1")).to_have_text("SQLi flood is enabled")
