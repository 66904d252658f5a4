"""What the system says of itself: sentences 11 after saving, 25 and 27 of the original's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import REFUSED, an_event, eventually, moved, spread
from playwright.sync_api import expect

from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import record
from wallarm_notify.services.review import review
from wallarm_notify.settings import read_settings
from wallarm_notify.worker_parts import sender_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page

    from wallarm_notify.sandbox.client import SandboxClient


def send_all(line: CommandLine) -> None:
    """Send what waits, as a worker would; return once none waits."""
    context = line.wiring.context
    sender = sender_of(context, read_settings())

    def is_done() -> bool:
        listed = line.json("notifications", "list", "--state", "pending", "--state", "retrying")
        sender.dispatch(claim(context, [one["id"] for one in listed["items"]]))
        assert sender.drain(30)
        return not listed["items"]

    eventually(is_done, within=60, what="that nothing waits")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_saved_integration_is_tested_and_its_alerts_are_closed(
    line: CommandLine, sandbox: SandboxClient, sign_in: Callable[..., Page], scripts: bool
) -> None:
    number = line.integration("--name", "SOC", "--subscribe", "system")
    page = sign_in(java_script_enabled=scripts)
    page.goto(f"/integrations/{number}")
    page.get_by_role("button", name="Test integration").click()
    expect(page.locator("#answer")).to_contain_text("PagerDuty took all 3 alerts")
    for one in page.locator("#answer li").all():
        expect(one).to_contain_text("[Test message]")
        expect(one).to_contain_text("202 Event processed")
    page.get_by_role("button", name="Close the 3 test alerts").click()
    expect(page.locator("#answer")).to_contain_text("The test alerts are closed")
    assert len(sandbox.alerts()) == 3


def test_with_system_related_chosen_disabling_and_deleting_reach_pagerduty_and_stand_in_the_list(
    line: CommandLine, sandbox: SandboxClient, sign_in: Callable[..., Page]
) -> None:
    soc = line.integration("--name", "SOC", "--subscribe", "system")
    payments, staging = (line.integration("--name", name) for name in ("Payments", "Staging"))
    page = sign_in()
    page.goto(f"/integrations/{payments}")
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)
    page.goto(f"/integrations/{staging}/settings")
    page.get_by_role("link", name="Delete Staging").click()
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.locator("h1")).to_have_text("Integrations")
    send_all(line)
    page.goto(f"/notifications?integration_id={soc}")
    for words in ("Integration disabled: Payments", "Integration deleted: Staging"):
        row = page.locator("tr", has_text=words)
        expect(row).to_contain_text("Accepted by PagerDuty")
        expect(row).to_contain_text("SOC")
    summaries = [one["summary"] for one in sandbox.alerts()]
    assert any("Integration disabled: Payments" in one for one in summaries)
    assert any("Integration deleted: Staging" in one for one in summaries)


def test_at_60_per_cent_failed_the_card_says_when_and_why_and_system_notifications_have_a_message(
    line: CommandLine, sign_in: Callable[..., Page]
) -> None:
    soc = line.integration("--name", "SOC", "--subscribe", "system")
    line.integration("--name", "Payments", "--subscribe", "security_issue")
    context = line.wiring.context
    (routed,) = ingest(context, [an_event() for _ in range(17)], [])
    record(context, moved(claim(context, [n.id for n in routed.pending]), *spread(17, REFUSED)))
    assert review(context).disabled
    send_all(line)
    page = sign_in()
    page.goto("/integrations")
    card = page.locator(".card", has_text="Payments")
    expect(card).to_contain_text("Switched itself off at")
    expect(card).to_contain_text("100 % at")
    expect(card).to_contain_text("400")
    page.goto(f"/notifications?integration_id={soc}")
    row = page.locator("tr", has_text="Integration disabled automatically: Payments")
    expect(row).to_contain_text("(100 % of 17 attempts failed)")
    expect(row).to_contain_text("Accepted by PagerDuty")
