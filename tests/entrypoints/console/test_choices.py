"""What helps to choose: what each box would have sent, and what a card offers for the state it is in."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from build import an_event, an_event_for

from entrypoints.console.test_pages import check_page
from entrypoints.console.web import Page, Person, person
from wallarm_notify.domain.actor import REVIEW, Role
from wallarm_notify.domain.recent_events import MOST_COUNTED
from wallarm_notify.services import count_events
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient


@pytest.fixture
def admin(api: HttpApi) -> Person:
    return person(api, Role.ADMINISTRATOR)


def came(line: CommandLine, number: int, **fields: Any) -> None:
    ingest(line.wiring.context, [an_event(**fields) for _ in range(number)], [])


def switched_off(line: CommandLine, response: str, *arguments: object) -> int:
    """Make an integration that its failures have switched off, as its last answer was this one."""
    number = line.integration(*arguments)
    came(line, 1, risk="critical")
    line.sql(
        f"""INSERT INTO attempts (notification_id, integration_id, at, fence, duration_ms, run, number,
                status_code, error, response, generation)
            SELECT id, integration_id, now() - interval '1 minute', 1, 100, 1, 1, 400, 'http_4xx', '{response}', 0
            FROM notifications WHERE integration_id = {number};
            INSERT INTO health_minutes (integration_id, generation, minute, attempts, failed, network, server,
                throttled, client, other, own_first_at, own_last_at)
            VALUES ({number}, 0, date_trunc('minute', now() - interval '1 minute'), 1, 1, 0, 0, 0, 1, 0, now(), now());
            UPDATE integrations SET enabled = false, disabled_by = '{REVIEW.name}', disabled_at = now(),
                disablings = 1 WHERE id = {number}"""
    )
    return number


# What each box would have sent.


def test_each_box_says_what_it_would_have_sent(line: CommandLine, admin: Person) -> None:
    came(line, 3, risk="low")
    came(line, 1, risk="critical")
    ingest(
        line.wiring.context, [an_event_for("user_created"), an_event_for("attacks_exceeded")], []
    )
    page = check_page(admin.get("/integrations/new"))
    assert "Would have sent in the last 7 days" in page.text
    assert re.search(r"System related 1 alert ", page.text)
    assert re.search(r"Rules and triggers changed 0 alerts", page.text)
    assert re.search(r"Critical risk , severity critical in PagerDuty 1 alert ", page.text)
    assert re.search(r"Low risk , severity \w+ in PagerDuty 3 alerts", page.text)
    number = line.integration()
    assert "3 alerts" in admin.page(f"/integrations/{number}/settings").text


def test_events_of_others_and_older_ones_are_not_counted(line: CommandLine, admin: Person) -> None:
    came(line, 2, risk="low")
    line.sql("UPDATE events SET received_at = received_at - interval '8 days'")
    came(line, 5, client_id=2, risk="low")
    came(line, 1, risk="low")
    page = admin.page("/integrations/new")
    assert re.search(r"Low risk , severity \w+ in PagerDuty 1 alert ", page.text)


def test_of_very_many_events_the_newest_are_counted_since_a_time_that_is_named(
    line: CommandLine, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    came(line, 6, risk="low")
    line.sql("UPDATE events SET received_at = now() - (10 - no % 10) * interval '1 hour'")
    monkeypatch.setattr(count_events, "SLICE", 2)
    monkeypatch.setattr(count_events, "MOST_COUNTED", 4)
    page = admin.page("/integrations/new")
    assert "Would have sent since " in page.text
    assert re.search(r"Low risk , severity \w+ in PagerDuty 4 alerts", page.text)
    assert MOST_COUNTED > 4


def test_a_slice_that_is_just_full_ends_in_the_next(
    line: CommandLine, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    came(line, 4, risk="low")
    monkeypatch.setattr(count_events, "SLICE", 2)
    monkeypatch.setattr(count_events, "SECONDS", 30)
    page = admin.page("/integrations/new")
    assert "in the last 7 days" in page.text
    assert "4 alerts" in page.text


def test_where_no_client_is_chosen_nothing_is_counted(api: HttpApi, line: CommandLine) -> None:
    came(line, 3, risk="low")
    page = person(api, Role.OPERATOR).page("/integrations/new")
    assert "Would have sent" not in page.text


# What a card offers.


def card_of(page: Page) -> str:
    return page.text[page.text.index("All 1") :]


def test_a_card_without_a_fresh_proof_is_drilled_from_there(
    line: CommandLine, admin: Person, sandbox: SandboxClient
) -> None:
    number = line.integration()
    assert "Drill now" in admin.page("/integrations").text
    done = check_page(admin.send(f"/integrations/{number}/drill"))
    assert "PagerDuty took the drill" in done.text
    assert [one["body"]["event_action"] for one in sandbox.requests()] == ["resolve"]
    page = admin.page("/integrations")
    assert "Drill now" not in page.text
    assert "by drill" in page.text
    line.sql("UPDATE drills SET proven_at = now() - interval '41 days'")
    page = admin.page("/integrations")
    assert "41 d ago, by drill" in page.text
    assert "Drill now" in page.text


def test_a_drill_with_an_unknown_key_says_what_to_do(
    line: CommandLine, admin: Person, sandbox: SandboxClient
) -> None:
    number = line.integration()
    sandbox.set_keys(["B" * 32])
    done = check_page(admin.send(f"/integrations/{number}/drill"))
    assert "PagerDuty did not take the drill" in done.text
    assert "400" in done.text
    assert "copy the Integration Key" in done.text


def test_one_that_lacks_its_key_is_led_to_another_key(line: CommandLine, admin: Person) -> None:
    answer = json.dumps({"status": "invalid event", "message": "Invalid routing key"})
    number = switched_off(line, answer)
    page = admin.page("/integrations")
    links = {a["href"] for a in page.all("a")}
    assert f"/integrations/{number}/settings#f-key" in links
    assert f"/integrations/{number}/failures" in links
    assert "Enable now" in page.text
    assert "Nobody: no other enabled integration takes System related" in card_of(page)


def test_one_that_failed_otherwise_keeps_its_key(line: CommandLine, admin: Person) -> None:
    switched_off(line, "Bad Request")
    line.integration("--name", "SOC", "--subscribe", "system")
    page = admin.page("/integrations")
    assert "Replace key" not in page.text
    assert "See failures" in page.text
    assert "Nobody: no other" not in page.text
