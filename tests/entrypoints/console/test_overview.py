"""The overview: whether paging works, what needs somebody and since when, and the first steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from entrypoints.api.owned import owned
from entrypoints.command_line import KEY
from entrypoints.console.failing import failed_attempts, flood
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import Page, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.console.charts import stacked

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

ADMIN = Role.ADMINISTRATOR


def overview(api: HttpApi, role: Role = ADMIN, query: str = "") -> Page:
    return check_page(person(api, role).get(f"/overview{query}"))


def links(page: Page) -> set[str | None]:
    return {a["href"] for a in page.all("a")}


def disabled_by_failures(line: CommandLine, number: int) -> None:
    line.ok("integrations", "disable", number)
    line.sql(f"UPDATE integrations SET disabled_by = 'failure ratio' WHERE id = {number}")


def accepted(line: CommandLine, number: int, alerts: int, hours_ago: int = 0) -> None:
    """Count alerts that PagerDuty accepted."""
    line.sql(
        f"""INSERT INTO ended_by_hour (integration_id, hour, delivered, failed, skipped, cancelled)
            VALUES ({number}, date_trunc('hour', now()) - interval '{hours_ago} h', {alerts}, 0, 0, 0)"""
    )


def trigger(line: CommandLine, number: int) -> None:
    of = ("--client", 1, "--condition", "user_created", "--integration", number)
    line.ok("triggers", "create", *of)


def test_whoever_signs_in_begins_with_the_overview(api: HttpApi) -> None:
    assert person(api, ADMIN).get("/").headers["Location"] == "/overview"
    assert person(api, Role.ANALYST).get("/").headers["Location"] == "/overview"


def test_where_nothing_needs_anybody_paging_works(api: HttpApi, line: CommandLine) -> None:
    mine = owned(line, 1)
    line.end_all("delivered")
    line.sql("DELETE FROM rejected")
    accepted(line, mine.integration_id, 12, hours_ago=3)
    page = overview(api)
    assert "Paging works" in page.text
    assert "PagerDuty accepted 12 alerts in the last 24 hours. 1 integration is on." in page.text
    assert "12 alerts PagerDuty accepted 0 alerts being retried now 0 not accepted" in page.text
    assert "user.created" not in page.text, "the summary, not the type"
    assert f"/notifications/{mine.notification_id}" in links(page)


def test_hours_are_those_of_the_last_24_and_of_the_own_client(
    api: HttpApi, line: CommandLine
) -> None:
    mine, others = owned(line, 1), owned(line, 2)
    for number, alerts, ago in (
        (mine.integration_id, 3, 23),
        (mine.integration_id, 40, 26),
        (others.integration_id, 500, 1),
    ):
        accepted(line, number, alerts, ago)
    page = overview(api)
    assert re.search(r"Last 24 hours Accepted .*?3 alerts PagerDuty accepted", page.text)
    assert sum((bar.get("class") == "ok") for bar in page.all("rect")) == 1
    both = overview(api, Role.OPERATOR)
    assert "503 alerts PagerDuty accepted" in both.text


def test_an_integration_that_its_failures_disabled_comes_first_with_what_it_missed(
    api: HttpApi, line: CommandLine
) -> None:
    number = line.integration("--name", "SOC primary", "--subscribe", "system")
    line.integration("--name", "Payments")
    trigger(line, number)
    disabled_by_failures(line, number)
    page = overview(api)
    assert "1 thing needs you" in page.text
    assert "1 other integration works." in page.text
    assert re.search(r"SOC primary switched itself off \d\d:\d\d , now", page.text)
    assert f"/integrations/{number}" in links(page)
    assert "switched itself off" not in overview(api, Role.ANALYST).text


def test_a_wrong_key_is_to_be_replaced(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    made, _ = flood(line)
    number = line.json("notifications", "show", made)["integration_id"]
    line.sql(
        f"""INSERT INTO attempts (notification_id, integration_id, at, fence, duration_ms, run, number, status_code,
                error, response, generation)
            SELECT {made}, id, now() - interval '1 min', 1, 5, 1, 1, 400, 'http_4xx',
                '{{"message":"Event object is invalid","errors":["Invalid routing key"]}}', generation
            FROM integrations WHERE id = {number}"""
    )
    disabled_by_failures(line, number)
    page = overview(api)
    assert "last answer was 400" in page.text
    assert f"/integrations/{number}/settings#f-key" in links(page)


def test_what_is_not_through_names_its_attempt_answer_and_the_next(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made)
    assert "is not through yet" not in overview(api).text, "it may be in a moment"
    line.sql(f"UPDATE notifications SET created_at = now() - interval '3 min' WHERE id = {made}")
    for role, needed in ((ADMIN, "1 thing needs you"), (Role.ANALYST, "needs an administrator")):
        page = overview(api, role)
        assert needed in page.text
        assert re.search(
            r"1 alert for Payments on-call is not through yet Since .*?, 3 min ago\. Retrying \(7 of 17\)\. "
            r"PagerDuty answered 429; the next attempt is at [\d:]+, in ",
            page.text,
        )
        assert f"/notifications/{made}" in links(page)


def test_what_was_not_accepted_and_what_was_rejected_is_named_with_the_last_time(
    api: HttpApi, line: CommandLine
) -> None:
    mine = owned(line, 1)
    page = overview(api)
    assert re.search(
        r"1 alert for .*? was not accepted The last .*? All attempts failed", page.text
    )
    assert f"/notifications?show=failed&integration_id={mine.integration_id}" in links(page)
    assert "1 event was rejected The last" in page.text
    assert "rejected" not in overview(api, Role.ANALYST).text
    line.sql("UPDATE notifications SET finished_at = now() - interval '25 h'")
    line.sql("UPDATE rejected SET received_at = now() - interval '25 h'")
    assert "Paging works" in overview(api).text


def test_what_waits_for_its_first_attempt_for_too_long_needs_somebody(
    api: HttpApi, line: CommandLine
) -> None:
    owned(line, 1)
    line.sql("DELETE FROM rejected")
    line.sql(
        """UPDATE notifications SET state = 'pending', finished_at = NULL, attempts_made = 0,
            created_at = now() - interval '6 min', due_at = now() - interval '6 min'"""
    )
    page = overview(api)
    assert re.search(r"1 alert for .*? waits for too long Since .*?6 min ago", page.text)


def test_an_integration_that_nothing_proves_is_drilled_from_here(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration("--name", "Staging")
    trigger(line, number)
    assert "Paging works" in overview(api).text, "who made it is still at it"
    line.sql("UPDATE integrations SET created_at = now() - interval '41 days'")
    admin = person(api, ADMIN)
    page = check_page(admin.get("/overview"))
    assert re.search(r"Nothing proves that Staging works On since .*?41 d ago, never", page.text)
    sandbox.set_keys(["B" * 32])
    refused = check_page(admin.send(f"/overview/drill/{number}")).text
    assert "Staging is not proven" in refused
    assert "PagerDuty knows no integration with this key" in refused
    assert KEY not in refused
    sandbox.set_keys([KEY])
    done = check_page(admin.send(f"/overview/drill/{number}")).text
    assert ("Staging is proven" in done, "Paging works" in done) == (True, True)
    assert {one["body"]["event_action"] for one in sandbox.requests()} == {"resolve"}
    line.sql("UPDATE drills SET proven_at = now() - interval '31 days'")
    assert "Last proven" in overview(api).text


def test_a_client_without_an_enabled_integration_is_named_to_whoever_sees_several(
    api: HttpApi, line: CommandLine
) -> None:
    owned(line, 1)
    mine = owned(line, 2)
    line.ok("clients", "set", 2, "--name", "Example Shop")
    line.ok("integrations", "disable", mine.integration_id)
    page = overview(api, Role.OPERATOR)
    assert "Nobody is told of anything of Example Shop" in page.text
    assert "/integrations?client_id=2" in links(page)
    assert "Nobody is told of anything" not in overview(api).text


def test_operators_alone_read_that_not_all_is_running(api: HttpApi, line: CommandLine) -> None:
    owned(line, 1)
    page = overview(api, Role.OPERATOR)
    assert re.search("Nobody takes from the queues .*notifications", page.text)
    assert "SWEEP has never run" in page.text
    assert "SWEEP" not in overview(api).text


@pytest.mark.parametrize("role", [ADMIN, Role.PARTNER_ADMINISTRATOR, Role.OPERATOR])
def test_three_steps_are_shown_until_they_are_done(
    api: HttpApi, line: CommandLine, role: Role, sandbox: SandboxClient
) -> None:
    somebody = person(api, role)
    first = check_page(somebody.get("/overview"))
    assert "Three steps until somebody is paged" in first.text
    assert "/integrations/new" in links(first)
    number = line.integration()
    second = check_page(somebody.get("/overview"))
    assert "1. Add an integration : done" in second.text
    assert "Drill now" in second.text
    proven = check_page(somebody.send(f"/overview/drill/{number}"))
    assert "2. Test it : done" in proven.text
    trigger(line, number)
    assert "Three steps" not in check_page(somebody.get("/overview")).text


def test_whoever_cannot_set_anything_up_reads_who_does(api: HttpApi) -> None:
    page = overview(api, Role.ANALYST)
    assert "An administrator adds the first integration" in page.text
    assert "/integrations/new" not in links(page)


def test_bars_of_a_strip_stand_on_each_other() -> None:
    below, above = stacked([[1, 4], [1, 0]])
    assert [(bar.top, bar.height) for bar in below] == [(75.0, 25.0), (0.0, 100.0)]
    assert [(bar.top, bar.height) for bar in above] == [(50.0, 25.0), (0.0, 0.0)]
    assert [bar.left for bar in below] == [bar.left for bar in above]
    assert [[bar.height for bar in layer] for layer in stacked([[0], [0]])] == [[0.0], [0.0]]


def test_another_clients_integration_is_not_drilled(
    api: HttpApi, line: CommandLine, sandbox: SandboxClient
) -> None:
    number = owned(line, 2).integration_id
    assert person(api, ADMIN).send(f"/overview/drill/{number}").status_code == 404
    assert sandbox.requests() == []
