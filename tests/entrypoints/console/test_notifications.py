"""Pages of notifications: one as a story, and what can be done there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from build import an_event_for

from entrypoints.api.http_api import served
from entrypoints.api.owned import owned
from entrypoints.command_line import MASKED
from entrypoints.console.failing import failed_attempts, flood
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import person
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.console.pages.notifications import ROWS
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    import pytest

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine


def test_a_failing_notification_is_a_story_from_what_happened_to_how_it_ends(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made)
    text = check_page(person(api, Role.ADMINISTRATOR).get(f"/notifications/{made}")).text
    assert re.search(
        r"Retrying \(7 of 17\) .*SQLi flood: more than 30 attacks in 1 hour.*"
        r"31 attacks within 1 hour, the last at .*for Payments on-call.*"
        r"has not accepted it yet\. Next attempt at .* in 1 min .*"
        r"What happened .*31 attacks where attack type is SQLi and domain is shop.example.com.*"
        r"Which trigger matched .*tell SOC primary and Payments on-call.*SQLi flood.*"
        r"SOC primary: not sent \(integration was off\).*The alert .*As a phone shows it.*"
        r"7 made, 10 to come.*First cycle 6 attempts, waits of 1, 3, 5, 10, 10 s · all failed.*"
        r"503 Service Unavailable.*No answer within 15 s; may have arrived.*"
        r"1 failed, 4 to come.*PagerDuty asked for.*waits of 1, 1, 3, 5, 10, 30 min · all to come.*"
        r"How it ended .*Not yet",
        text,
    )
    assert line.json("notifications", "show", made)["dedup_key"] in text


def test_a_page_that_is_open_is_sent_a_notification_only_where_it_has_gone_on(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    admin = person(api, Role.ADMINISTRATOR)
    page = admin.page(f"/notifications/{made}")
    (again,) = [a["hx-get"] for a in page.all("div") if a.get("hx-get")]
    assert again is not None
    assert admin.get(again).status_code == 204
    failed_attempts(line, made, 2)
    assert "Retrying (2 of 17)" in check_page(admin.get(again)).text


def test_the_end_of_the_key_is_shown_to_who_may_view_integrations_alone(
    api: HttpApi, line: CommandLine
) -> None:
    path = f"/notifications/{owned(line, 1).notification_id}"
    assert MASKED in person(api, Role.ADMINISTRATOR).page(path).text
    analyst = person(api, Role.ANALYST).page(path).text
    assert MASKED not in analyst
    assert "Pause trigger" not in analyst
    assert "Send again" not in analyst


def test_the_timeline_is_markdown_that_names_what_it_is_about(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made)
    page = check_page(person(api, Role.ADMINISTRATOR).get(f"/notifications/{made}/timeline"))
    assert re.search(r"## Retrying \(7 of 17\): .*SQLi flood", page.text)
    assert re.search(
        r"\| 7 \| [0-9: -]+ \| after 10 s \| 429 Too Many Requests \| 0\.12 s \|", page.text
    )
    assert "| 8 |" in page.text


def test_a_trigger_is_paused_from_its_notification_and_enabled_again(
    api: HttpApi, line: CommandLine
) -> None:
    made, trigger = flood(line)
    admin, path = person(api, Role.ADMINISTRATOR), f"/notifications/{made}"
    assert "Pause SQLi flood" in admin.page(f"{path}/pause").text
    refused = admin.send(f"{path}/pause", {"hours": "99"})
    assert (refused.status_code, "choose one of these" in check_page(refused).text) == (400, True)
    assert admin.send(f"{path}/pause", {"hours": "4"}).headers["Location"] == path
    shown = line.json("triggers", "show", trigger)
    assert not shown["enabled"]
    assert shown["disabled_until"] is not None
    assert "The trigger is paused until" in admin.page(path).text
    assert admin.send(f"{path}/resume").status_code == 303
    assert line.json("triggers", "show", trigger)["enabled"]


def test_what_was_not_accepted_is_sent_again(api: HttpApi, line: CommandLine) -> None:
    mine, admin = owned(line, 1), person(api, Role.ADMINISTRATOR)
    path = f"/notifications/{mine.notification_id}"
    page = admin.page(path)
    assert "Not accepted" in page.text
    assert "Send again" in page.text
    assert admin.send(f"{path}/replay").headers["Location"] == path
    assert "Waiting" in admin.page(path).text
    assert admin.send(f"{path}/replay").status_code == 400


# The list.


def test_rows_have_state_summary_integration_when_and_attempt(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made)
    page = check_page(person(api, Role.ADMINISTRATOR).get("/notifications"))
    assert re.search(
        r"Retrying .*SQLi flood: more than 30 attacks in 1 hour Payments on-call \d\d:\d\d 7 of 17",
        page.text,
    )
    assert f"/notifications/{made}" in {a["href"] for a in page.all("a")}


def test_integrations_to_choose_from_are_for_who_may_view_them_alone(
    api: HttpApi, line: CommandLine
) -> None:
    line.integration()
    line.integration()
    for role, there in ((Role.ADMINISTRATOR, True), (Role.ANALYST, False)):
        page = person(api, role).page("/notifications")
        assert ("All integrations" in page.text) is there


def test_filters_stand_in_the_address_and_what_finds_nothing_says_which_to_drop(
    api: HttpApi, line: CommandLine
) -> None:
    made, trigger = flood(line)
    admin = person(api, Role.ADMINISTRATOR)
    shown = line.json("notifications", "show", made)
    for found in (
        f"show=open&integration_id={shown['integration_id']}",
        f"dedup_key={shown['dedup_key']}",
        f"type=attack.detected&origin=trigger:{trigger}",
    ):
        assert "Payments on-call" in admin.page(f"/notifications?{found}").text
        assert f"/notifications/{made}" in {
            a["href"] for a in admin.page(f"/notifications?{found}").all("a")
        }
    nothing = admin.page("/notifications?show=accepted&code=5xx")
    assert "No notification is of this kind" in nothing.text
    assert "Answer" in nothing.text
    assert "/notifications?show=accepted" in {a["href"] for a in nothing.all("a")}


def test_pages_follow_each_other_and_what_is_newer_is_counted(
    api: HttpApi, line: CommandLine
) -> None:
    number = line.integration("--subscribe", "system")
    events = [an_event_for("user_created") for _ in range(ROWS + 3)]
    ingest(line.wiring.context, events[:-1], [])
    admin = person(api, Role.ADMINISTRATOR)
    page = admin.page(f"/notifications?integration_id={number}")
    (newer,) = [a["hx-get"] for a in page.all("div") if a.get("hx-get")]
    (following,) = [a["href"] for a in page.all("a") if "after=" in (a.get("href") or "")]
    ingest(line.wiring.context, events[-1:], [])
    assert newer is not None
    assert following is not None
    assert "1 newer" in admin.get(newer).text
    assert admin.page(following).text.count("0 of 17") == 2


# Search.


def test_a_dedup_key_or_an_id_leads_straight_to_its_notification(
    api: HttpApi, line: CommandLine
) -> None:
    mine, admin = owned(line, 1), person(api, Role.ADMINISTRATOR)
    there = f"/notifications/{mine.notification_id}"
    shown = line.json("notifications", "show", mine.notification_id)
    for sought in (shown["dedup_key"], f"  {shown['dedup_key'].upper()} ", mine.event_id):
        answer = admin.get(f"/search?{urlencode({'q': sought})}")
        assert (answer.status_code, answer.headers["Location"]) == (303, there)
    assert admin.get(f"/search?q={mine.notification_id}").status_code in (200, 303)


def test_a_name_and_an_address_lead_to_a_list(api: HttpApi, line: CommandLine) -> None:
    flood(line)
    admin = person(api, Role.ADMINISTRATOR)
    by_address = check_page(admin.get("/search?q=203.0.113.7"))
    assert re.search(r"Events .*attack.detected .*shop.example.com", by_address.text)
    by_name = check_page(admin.get("/search?q=payments"))
    assert re.search(r"Integrations .*Payments on-call", by_name.text)
    assert "Payments on-call" not in person(api, Role.ANALYST).page("/search?q=payments").text
    nothing = check_page(admin.get("/search?q=nobody.example.com"))
    assert "Nothing has it" in nothing.text


def test_what_is_anothers_is_found_by_nobody_else(api: HttpApi, line: CommandLine) -> None:
    others, admin = owned(line, 2), person(api, Role.ADMINISTRATOR)
    key = line.json("notifications", "show", others.notification_id)["dedup_key"]
    for sought in (key, others.event_id, others.notification_id, "ann@example.com"):
        assert "Nothing has it" in admin.page(f"/search?q={sought}").text


# Sent again by filter.


def test_what_is_listed_is_counted_and_sent_again(api: HttpApi, line: CommandLine) -> None:
    number = line.integration("--name", "SOC", "--subscribe", "system")
    other = line.integration("--name", "Other", "--subscribe", "system")
    ingest(line.wiring.context, [an_event_for("user_created") for _ in range(3)], [])
    line.end_all("failed")
    admin = person(api, Role.ADMINISTRATOR)
    path = f"show=failed&integration_id={number}&type=user.created"
    page = admin.page(f"/notifications?{path}")
    there = f"/notifications/replay?{path}"
    assert there in {a["href"] for a in page.all("a")}
    asked = check_page(admin.get(there))
    assert "Send 3 alerts again" in asked.text
    assert "New user: ann@example.com" in asked.text
    assert f"/notifications?{path}" in {a["href"] for a in asked.all("a")}
    done = admin.send(there)
    (job,) = api.ok("GET", "/notify/v1/replays")["items"]
    assert (done.status_code, done.headers["Location"]) == (303, f"/replays/{job['id']}")
    assert (job["integration_id"], job["total"], job["states"]) == (number, 3, ["failed"])
    again = admin.send(there)
    assert again.status_code == 400
    assert "is being replayed to already" in check_page(again).text
    assert [one["integration_id"] for one in api.ok("GET", "/notify/v1/replays")["items"]] == [
        number
    ]
    assert other != number


def test_what_a_replay_cannot_have_is_named_with_what_to_choose(
    api: HttpApi, line: CommandLine
) -> None:
    made, _ = flood(line)
    admin = person(api, Role.ADMINISTRATOR)
    key = line.json("notifications", "show", made)["dedup_key"]
    chooser = check_page(admin.get("/notifications/replay?show=failed"))
    assert "Payments on-call" in chooser.text
    assert "Count them" in chooser.text
    for path, words in (
        (f"dedup_key={key}", "Drop Dedup key"),
        ("show=accepted", "Nothing of this kind can be sent again"),
    ):
        page = check_page(admin.get(f"/notifications/replay?{path}"))
        assert words in page.text
        assert admin.send(f"/notifications/replay?{path}").status_code == 400
    off = line.json("integrations", "list")["items"][0]["id"]
    page = check_page(admin.get(f"/notifications/replay?integration_id={off}"))
    assert "SOC primary is off" in page.text
    assert admin.send(f"/notifications/replay?integration_id={off}").status_code == 400
    assert api.ok("GET", "/notify/v1/replays")["items"] == []


def test_nothing_is_sent_again_to_anothers_integration_nor_by_who_may_not(
    api: HttpApi, line: CommandLine
) -> None:
    mine, others = owned(line, 1), owned(line, 2)
    path = "/notifications/replay?integration_id="
    admin, analyst = person(api, Role.ADMINISTRATOR), person(api, Role.ANALYST)
    assert admin.get(f"{path}{others.integration_id}").status_code == 404
    assert admin.send(f"{path}{others.integration_id}").status_code == 404
    assert analyst.get(f"{path}{mine.integration_id}").status_code == 403
    assert analyst.send(f"{path}{mine.integration_id}").status_code == 403
    assert "Send again what" not in analyst.page("/notifications").text


TASK = "7b0c6a52-0001-4000-8000-0000000000a5"


def test_operators_are_led_from_an_attempt_to_its_task_in_flower_and_nobody_else_is(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = flood(line)
    failed_attempts(line, made, 3)
    line.sql(f"UPDATE attempts SET task_id = '{TASK}' WHERE fence = 2")

    def links(api: HttpApi, role: Role) -> list[str | None]:
        page = check_page(person(api, role).get(f"/notifications/{made}"))
        return [a["href"] for a in page.all("a") if TASK in (a["href"] or "")]

    with served(line) as api:
        assert links(api, Role.OPERATOR) == []
    monkeypatch.setenv("WALLARM_NOTIFY_FLOWER_URL", "https://example.com/flower/")
    with served(line) as api:
        assert links(api, Role.OPERATOR) == [f"https://example.com/flower/task/{TASK}"]
        assert links(api, Role.ADMINISTRATOR) == []
