"""Pages of events in a browser: from a list to the reasons, an event that is tried, and hostile events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from build import a_rejection, an_event_for
from entrypoints.console.test_pages import HOSTILE
from playwright.sync_api import expect

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.schemas.read import read_event
from wallarm_notify.schemas.samples import sample_of
from wallarm_notify.services.computations import work_on_computations
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page


def hostile(event_type: str) -> Event:
    """Return an event whose every text is hostile that may be any text."""
    body = {**sample_of(event_type), "id": str(uuid4()), "client_id": 1, "note": HOSTILE}
    body["occurred_at"] = "2026-03-01T12:00:00+00:00"
    body["actor"] = {"name": HOSTILE, "email": HOSTILE}
    body["changes"] = {HOSTILE: [HOSTILE, HOSTILE]}
    for name, value in list(body.items()):
        changed = {**body, name: HOSTILE}
        if isinstance(value, str) and isinstance(read_event(changed), Event):
            body = changed
    read = read_event(body)
    assert isinstance(read, Event), read
    return read


def test_what_is_hostile_in_any_field_of_an_event_runs_nowhere(
    line: CommandLine, sign_in: Callable[..., Page], subtests: pytest.Subtests
) -> None:
    every = ("--subscribe", "system,rules_and_triggers,security_issue")
    to = line.integration("--name", HOSTILE[:200], *every)
    line.ok(
        *("triggers", "create", "--client", 1, "--name", HOSTILE[:100]),
        *("--condition", "attacks_exceeded", "--threshold", "0 in 1h", "--integration", to),
    )
    events = [hostile(one) for one in EVENT_TYPES]
    rejection = a_rejection(client_id=1, title=HOSTILE, risk=HOSTILE)
    ingest(line.wiring.context, events, [rejection])
    made = line.json("notifications", "list")["items"]
    (rejected,) = line.json("events", "rejected")["items"]
    pages = [
        "/events",
        *(f"/events/{one.id}" for one in events),
        "/notifications",
        *(f"/notifications/{one['id']}" for one in made),
        "/events/rejected",
        f"/events/rejected/{rejected['id']}",
        "/search?q=203.0.113.7",
    ]
    page = sign_in()
    for path in pages:
        with subtests.test(path):
            page.goto(path)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator("img").count() == 0
    for path in ("/search", "/events"):
        page.goto(path)
        box = page.get_by_role("main").get_by_role("searchbox")
        box.fill(HOSTILE)
        box.press("Enter")
        expect(page.get_by_role("main").get_by_role("searchbox")).to_have_value(HOSTILE)
        assert page.locator("img").count() == 0
    page.goto("/events/try")
    page.get_by_label("Event, as JSON").fill(
        json.dumps({**sample_of("rule.created"), "name": HOSTILE})
    )
    page.get_by_role("button", name="Show whom it would tell").click()
    expect(page.locator("#tried")).to_contain_text("<script>alert(1)</script>")
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_one_paste_leads_to_why_nobody_was_paged_and_what_would_change_it(
    line: CommandLine, sign_in: Callable[..., Page], scripts: bool
) -> None:
    to = line.integration("--name", "Payments", "--subscribe", "security_issue")
    line.ok(
        *("triggers", "create", "--client", 1, "--name", "New administrators"),
        *("--condition", "user_created", "--filter", "user_role=admin", "--integration", to),
    )
    event = an_event_for("user_created", user_email="leo@example.com", user_role="analytic")
    ingest(line.wiring.context, [event], [])
    page = sign_in(java_script_enabled=scripts)
    page.goto("/events")
    page.get_by_label("What you have of an event").fill("leo@example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="New user: leo@example.com").click()
    expect(page.locator("h1")).to_have_text("Nobody was paged")
    row = page.locator(".why", has_text="New administrators")
    expect(row).to_contain_text("the event has Analyst")
    row.get_by_role("button", name="What in 7 days?").click()
    expect(row).to_contain_text("Being computed")
    assert work_on_computations(line.wiring.context) == 1
    if not scripts:
        page.reload()
    expect(row).to_contain_text("Would have fired 1 time", timeout=30_000)
    page.get_by_role("link", name="Add System related").click()
    expect(page.locator("h1")).to_contain_text("Payments")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_operator_tries_an_event_sends_it_and_sees_what_became_of_it(
    line: CommandLine, sign_in: Callable[..., Page], scripts: bool
) -> None:
    line.integration("--name", "SOC", "--subscribe", "rules_and_triggers")
    page = sign_in(Role.OPERATOR, java_script_enabled=scripts)
    page.goto("/events")
    page.get_by_role("link", name="Try an event").first.click()
    page.get_by_label("Type of the example").select_option("rule.created")
    page.get_by_role("button", name="Fill in its example").click()
    page.get_by_role("button", name="Show whom it would tell").click()
    expect(page.locator("#tried h2").first).to_contain_text("would be told.")
    page.get_by_role("button", name="Send it for real").click()
    expect(page.locator("h1")).to_have_text("On its way")
    (sent,) = [one for call in line.messages("events") for one in call["events"]]
    taken_in = read_event(sent)
    assert isinstance(taken_in, Event)
    ingest(line.wiring.context, [taken_in], [])
    if not scripts:
        page.get_by_role("link", name="Look again").click()
    expect(page.locator("h1")).to_have_text("Nobody was paged yet", timeout=30_000)
    expect(page.locator(".why", has_text="SOC")).to_contain_text("Waits for its turn")


def test_a_rejected_event_is_mended_with_the_keyboard_alone(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    rejection = a_rejection(client_id=1)
    ingest(line.wiring.context, [], [rejection])
    page = sign_in(viewport={"width": 360, "height": 640})
    page.goto("/events/rejected")
    link = page.get_by_role("link", name="title must not be blank")
    link.focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Mend it, as JSON")
    body: dict[str, Any] = json.loads(field.input_value())
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(json.dumps({**body, "title": "Mended"}))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Take it in", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("High issue: Mended")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
