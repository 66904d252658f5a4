"""Pages of events: the list, why somebody was told of one or nobody, try, types, and what was rejected."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from build import a_rejection, an_event_for, sample

from entrypoints.api.owned import owned
from entrypoints.console.failing import flood
from entrypoints.console.test_pages import HOSTILE, check_page
from entrypoints.console.web import Page, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.entrypoints.console import why_rows
from wallarm_notify.entrypoints.console.pages.events import LINES, ROWS
from wallarm_notify.services.computations import work_on_computations
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.domain.event import Event

ADMIN = Role.ADMINISTRATOR


def sent(line: CommandLine, *events: Event) -> None:
    """Take events in."""
    ingest(line.wiring.context, list(events), [])


def a_user(**fields: object) -> Event:
    """Return a new user's event that happened now."""
    return an_event_for("user_created", datetime.now(UTC), **fields)


def hrefs(page: Page) -> set[str | None]:
    """Return where the links of a page lead."""
    return {one.get("href") for one in page.all("a")}


# The list.


def test_rows_say_what_each_event_came_to_also_where_that_is_nothing(
    api: HttpApi, line: CommandLine
) -> None:
    flood(line)
    line.integration("--subscribe", "system")
    notifying, nobody = (
        a_user(user_email="ana@example.com"),
        sample("rule.created", id=str(uuid4())),
    )
    sent(line, notifying, nobody)
    page = check_page(person(api, ADMIN).get("/events"))
    assert re.search(r"1 notification New user: ana@example.com \(Administrator\)", page.text)
    assert "Told nobody New rule: Virtual patch for /login" in page.text
    assert re.search(r"2 notifications Attack: sqli, 203.0.113.7, shop.example.com", page.text)
    assert "Counted Attack: sqli" in page.text
    assert f"/events/{nobody.id}?client_id=1" in hrefs(page)


@pytest.mark.parametrize("show", ["notified", "counted", "nobody"])
def test_a_switch_shows_what_came_to_one_thing_alone(
    api: HttpApi, line: CommandLine, show: str
) -> None:
    flood(line)
    line.integration("--subscribe", "system")
    sent(line, a_user(), sample("rule.created", id=str(uuid4())))
    words = {
        "notified": "1 notification ",
        "counted": "Counted Attack",
        "nobody": "Told nobody New",
    }
    text = person(api, ADMIN).page(f"/events?show={show}").text
    assert {name for name, word in words.items() if word in text} == {show}


def test_one_box_finds_events_by_what_people_have(api: HttpApi, line: CommandLine) -> None:
    made, _ = flood(line)
    mine, admin = owned(line, 1), person(api, ADMIN)
    issue = sample("security_issue.detected", id=str(uuid4()))
    sent(line, issue)
    key = line.json("notifications", "show", made)["dedup_key"]
    event = f"/events/{mine.event_id}?client_id=1"
    for what, there in (
        (mine.event_id, event),
        ("ann@example.com", event),
        (f" {str(issue.id).upper()} ", f"/events/{issue.id}?client_id=1"),
        (issue.body["issue_id"], f"/events/{issue.id}?client_id=1"),
        ("SHOP.example.com", f"/events/{issue.id}?client_id=1"),
    ):
        page = admin.page(f"/events?{urlencode({'find': what})}")
        assert there in hrefs(page), what
    for what in ("203.0.113.7", key):
        assert admin.page(f"/events?find={what}").text.count("Attack: sqli") == 31, what
    by_type = admin.get("/events?find=security_issue.detected")
    assert by_type.headers["Location"] == "/events?type=security_issue.detected"


def test_what_finds_nothing_says_which_filter_to_drop(api: HttpApi, line: CommandLine) -> None:
    sent(line, a_user())
    page = check_page(
        person(api, ADMIN).get("/events?find=nobody%25&type=rule.created&show=nobody")
    )
    assert "No event is of this kind A filter may be too narrow: Has, Type." in page.text
    assert {
        "/events?show=nobody&type=rule.created",
        "/events?show=nobody&find=nobody%25",
        "/events",
    } <= hrefs(page)


def test_pages_follow_each_other_and_what_is_newer_is_counted(
    api: HttpApi, line: CommandLine
) -> None:
    sent(line, *(a_user() for _ in range(ROWS + 2)))
    admin = person(api, ADMIN)
    page = admin.page("/events")
    (newer,) = [one["hx-get"] for one in page.all("div") if one.get("hx-get")]
    (following,) = [href for href in hrefs(page) if "after=" in (href or "")]
    assert newer is not None
    assert following is not None
    assert "newer" not in admin.get(newer).text.partition("role=")[2].partition(">")[2]
    sent(line, a_user())
    assert "1 newer" in admin.get(newer).text
    assert admin.page(following).text.count("Told nobody New user") == 2


# Why.


def test_the_page_of_an_event_has_each_reason_with_what_would_change_it(
    api: HttpApi, line: CommandLine
) -> None:
    off = line.integration("--name", "Night shift", "--subscribe", "system")
    other = line.integration("--name", "Payments", "--subscribe", "security_issue")
    line.ok(
        *("triggers", "create", "--client", 1, "--name", "New administrators"),
        *("--condition", "user_created", "--filter", "user_role=admin", "--integration", other),
    )
    line.ok("integrations", "disable", off, "--user", "Ana", "--reason", "moved")
    event = a_user(user_email="leo@example.com", user_role="analytic")
    sent(line, event, a_user(), a_user())
    page = check_page(person(api, ADMIN).get(f"/events/{event.id}"))
    assert re.search(
        r"Nobody was paged .*New user: leo@example.com \(Analyst\) .*Happened at .*taken in .*"
        r"1 alert, and what became of it .*Night shift Was disabled by Ana at .*\(moved\)\. .*Its alert .*"
        r"3 missed can be sent once it is on .*Enable now .*"
        r"1 integration by subscription, and why not Payments Does not subscribe to System related\. .*"
        r"Would have sent 4 in 7 days, (none|\d) at night .*Add System related .*"
        r"1 trigger, and why not New administrators Wants .*Administrator.*\(the event has Analyst\)\. .*"
        r"What in 7 days\?",
        page.text,
    )
    assert f"/integrations/{other}/settings" in hrefs(page)
    assert f"/integrations/{off}/enable" in {one.get("action") for one in page.all("form")}


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("events_like", "Would have sent"),
        ("show_missed", "missed can be sent"),
        ("tried_triggers", "What in 7 days?"),
    ],
)
def test_the_reasons_are_there_where_a_figure_beside_them_takes_too_long(
    api: HttpApi, line: CommandLine, monkeypatch: pytest.MonkeyPatch, figure: str, words: str
) -> None:
    off = line.integration("--name", "Night shift", "--subscribe", "system")
    other = line.integration("--name", "Payments", "--subscribe", "security_issue")
    line.ok(
        *("triggers", "create", "--client", 1, "--name", "New administrators"),
        *("--condition", "user_created", "--filter", "user_role=admin", "--integration", other),
    )
    line.ok("integrations", "disable", off, "--user", "Ana", "--reason", "moved")
    event = a_user(user_role="analytic")
    sent(line, event)
    admin = person(api, ADMIN)
    assert words in check_page(admin.get(f"/events/{event.id}")).text

    def takes_too_long(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(why_rows, figure, takes_too_long)
    page = check_page(admin.get(f"/events/{event.id}"))
    assert words not in page.text
    for reason in ("Was disabled by Ana", "Does not subscribe to System", "the event has Analyst"):
        assert reason in page.text


def test_what_was_accepted_is_shown_with_what_only_pagerduty_knows(
    api: HttpApi, line: CommandLine
) -> None:
    line.integration("--name", "SOC", "--subscribe", "system")
    event = a_user()
    sent(line, event)
    line.end_all("delivered")
    page = check_page(person(api, ADMIN).get(f"/events/{event.id}"))
    (made,) = line.json("notifications", "list")["items"]
    assert re.search(r"PagerDuty accepted it .*for SOC at .*SOC Was accepted", page.text)
    assert f"look there for dedup key {made['dedup_key']}" in page.text
    assert f"/notifications/{made['id']}" in hrefs(page)


def test_a_trigger_is_tried_without_what_kept_the_event_from_it(
    api: HttpApi, line: CommandLine
) -> None:
    to = line.integration("--name", "Payments")
    line.ok(
        *("triggers", "create", "--client", 1, "--name", "Administrators"),
        *("--condition", "user_created", "--filter", "user_role=admin", "--integration", to),
    )
    event = a_user(user_role="analytic")
    sent(line, event, a_user(), a_user(user_role="auditor"))
    admin, path = person(api, ADMIN), f"/events/{event.id}"
    page = admin.page(path)
    (trigger,) = [f["value"] for f in page.all("input") if f.get("name") == "trigger_id"]
    done = admin.send(f"{path}/would-have-sent", {"trigger_id": trigger})
    assert (done.status_code, done.headers["Location"]) == (303, path)
    assert "Being computed It waits for a worker." in admin.page(path).text
    assert work_on_computations(line.wiring.context) == 1
    assert "Would have fired 3 times in 7 days" in admin.page(path).text
    refused = admin.send(f"{path}/would-have-sent", {"trigger_id": "77"})
    assert refused.status_code == 400
    check_page(refused)


def test_a_limit_is_tried_at_which_the_event_would_have_been_enough(
    api: HttpApi, line: CommandLine
) -> None:
    to = line.integration()
    given = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--integration", to)
    line.ok("triggers", "create", "--client", 1, *given)
    now = datetime.now(UTC)
    attacks = [an_event_for("attacks_exceeded", now - timedelta(seconds=n)) for n in (2, 1)]
    sent(line, *attacks)
    admin, path = person(api, ADMIN), f"/events/{attacks[1].id}"
    page = admin.page(path)
    assert "Has counted 2 of the more than 30 in 1 hour that it fires for" in page.text
    (trigger,) = [f["value"] for f in page.all("input") if f.get("name") == "trigger_id"]
    admin.send(f"{path}/would-have-sent", {"trigger_id": trigger})
    (one,) = api.ok("GET", "/notify/v1/computations")["items"]
    assert one["asked"]["threshold"]["count"] == 1
    work_on_computations(line.wiring.context)
    assert "Would have fired 1 time in 7 days" in admin.page(path).text


def test_who_may_change_nothing_reads_the_reasons_without_buttons(
    api: HttpApi, line: CommandLine
) -> None:
    off = line.integration("--name", "Night shift", "--subscribe", "system")
    line.integration("--name", "Payments")
    line.ok("integrations", "disable", off)
    event = a_user()
    sent(line, event)
    page = person(api, Role.ANALYST).page(f"/events/{event.id}")
    assert "Night shift" in page.text
    assert "Does not subscribe to System" in page.text
    for words in ("Enable now", "Add System", "missed can", "What in 7 days"):
        assert words not in page.text
    assert [f for f in page.all("form") if (f.get("action") or "").startswith("/integ")] == []


def test_more_lines_than_a_page_has_room_for_follow_on_another(
    api: HttpApi, line: CommandLine
) -> None:
    for n in range(LINES + 2):
        line.integration("--name", f"Team {n:02}")
    event = a_user()
    sent(line, event)
    admin = person(api, ADMIN)
    first = check_page(admin.get(f"/events/{event.id}"))
    (following,) = [href for href in hrefs(first) if "lines_from=" in (href or "")]
    second = check_page(admin.get(following or ""))
    named = [re.findall(r"Team \d\d (?=Does)", page.text) for page in (first, second)]
    assert (len(named[0]), len(named[1]), len(set(named[0] + named[1]))) == (LINES, 2, LINES + 2)


def test_an_id_without_an_event_shows_what_else_is_known_of_it(
    api: HttpApi, line: CommandLine
) -> None:
    rejection = a_rejection(client_id=1)
    ingest(line.wiring.context, [], [rejection])
    admin = person(api, ADMIN)
    page = check_page(admin.get(f"/events/{rejection.event_id}"))
    assert "Nobody was paged" in page.text
    assert "it was rejected at" in page.text
    (listed,) = line.json("events", "rejected")["items"]
    assert f"/events/rejected/{listed['id']}" in hrefs(page)
    assert admin.get(f"/events/{uuid4()}").status_code == 404


def test_an_id_that_is_anothers_and_one_of_nobody_are_answered_alike(
    api: HttpApi, line: CommandLine
) -> None:
    others, admin, nobodys = owned(line, 2).event_id, person(api, ADMIN), str(uuid4())
    texts = [
        re.sub(r"\d\d:\d\d:\d\d", "", check_page(admin.get(f"/events/{one}?sent=1")).text)
        for one in (others, nobodys)
    ]
    assert texts[0].replace(others, "") == texts[1].replace(nobodys, "")


def test_of_several_clients_the_list_shows_whose_event_it_is(
    api: HttpApi, line: CommandLine
) -> None:
    mine, _ = owned(line, 1), owned(line, 2)
    operator = person(api, Role.OPERATOR)
    answer = operator.get(f"/events/{mine.event_id}")
    assert answer.headers["Location"] == f"/events?find={mine.event_id}"
    page = operator.page(answer.headers["Location"])
    assert f"/events/{mine.event_id}?client_id=1" in hrefs(page)
    assert "user.created · Client 1" in page.text


def test_a_long_event_stays_within_a_page(api: HttpApi, line: CommandLine) -> None:
    event = a_user(user_name='"' * 60_000, note="<" * 60_000)
    sent(line, event)
    admin = person(api, ADMIN)
    assert check_page(admin.get(f"/events/{event.id}"))
    assert "New user" in check_page(admin.get("/events")).text


# Try an event.


def test_an_event_is_tried_and_nothing_of_it_is_stored(api: HttpApi, line: CommandLine) -> None:
    line.integration("--name", "SOC", "--subscribe", "system")
    developer = person(api, Role.DEVELOPER)
    page = check_page(developer.get("/events/try?type=user.created"))
    example = json.loads(text_of_field(developer.get("/events/try?type=user.created").text))
    assert example["type"] == "user.created"
    assert "Send it for real" not in page.text
    answer = developer.send("/events/try", {"event": json.dumps(example)})
    tried = check_page(answer)
    assert re.search(
        r"SOC \(\d+\) would be told\. .*New user: alex.smith@example.com .*SOC \(\d+\) is told",
        tried.text,
    )
    assert "routing_key" not in tried.text
    assert line.json("events", "list")["items"] == []


def text_of_field(text: str) -> str:
    """Return what stands in the field of an event."""
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", text, re.DOTALL)
    assert found
    return html.unescape(found[1])


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ("{oops", "The event is no JSON"),
        ("[]", "Give one event: an object in braces."),
        ('{"type": "user.created", "client_id": 2}', "This page is of client 1"),
        ('{"type": "user.created", "user_name": "Ann"}', "user_email"),
        ('{"type": "nothing"}', "type"),
        (json.dumps({"type": HOSTILE, HOSTILE: HOSTILE}), "type"),
        ("[" * 5000, "The event"),
        (f'{{"type": "user.created", "n": {"9" * 6000}}}', "The event"),
    ],
    ids=["no-json", "list", "another-client", "incomplete", "unknown", "hostile", "deep", "digits"],
)
def test_what_is_no_event_is_named_beside_the_field_which_keeps_it(
    api: HttpApi, event: str, fault: str
) -> None:
    answer = person(api, ADMIN).send("/events/try", {"event": event})
    assert answer.status_code == 400
    page = check_page(answer)
    assert fault in page.text
    assert page.all("img") == []
    assert text_of_field(answer.text) == event


def test_an_operator_sends_what_was_tried_once_however_often_the_button_is_pressed(
    api: HttpApi, line: CommandLine
) -> None:
    line.integration("--subscribe", "system")
    operator = person(api, Role.OPERATOR)
    example = text_of_field(operator.get("/events/try?type=user.created&client_id=1").text)
    tried = operator.send("/events/try?client_id=1", {"event": example}).text
    page = Page(tried)
    (whole,) = [f["value"] for f in page.all("input") if f.get("name") == "event"]
    assert "Send it for real" in page.text
    answers = [operator.send("/events/send?client_id=1", {"event": whole}) for _ in range(2)]
    places = {one.headers["Location"] for one in answers}
    event_id = json.loads(whole or "")["id"]
    assert places == {f"/events/{event_id}?sent=1&client_id=1"}
    assert "On its way" in operator.page(places.pop()).text
    sent_events = [one for call in line.messages("events") for one in call["events"]]
    assert [one["id"] for one in sent_events] == [event_id, event_id]
    assert sent_events[0] == sent_events[1]


def test_who_may_not_send_is_refused(api: HttpApi, line: CommandLine) -> None:
    whole = json.dumps({"type": "rule.created", "rule_id": 7})
    assert person(api, ADMIN).send("/events/send", {"event": whole}).status_code == 403
    assert line.messages("events") == []


def test_an_event_of_a_client_out_of_reach_is_not_tried(api: HttpApi, line: CommandLine) -> None:
    line.ok("clients", "set", 2, "--name", "Other")
    whole = json.dumps({"type": "rule.created", "rule_id": 7})
    answer = person(api, ADMIN).send("/events/try?client_id=2", {"event": whole})
    assert answer.status_code == 404


# Event types.


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_each_type_is_described_with_an_example_that_is_one(api: HttpApi, event_type: str) -> None:
    developer = person(api, Role.DEVELOPER)
    page = check_page(developer.get(f"/events/types/{event_type}"))
    assert "occurred_at a time with its zone required" in page.text
    example = text_of_field(developer.get(f"/events/try?type={event_type}").text)
    assert developer.send("/events/try", {"event": example}).status_code == 200


def test_types_are_listed_with_who_can_be_notified(api: HttpApi) -> None:
    page = check_page(person(api, Role.DEVELOPER).get("/events/types"))
    assert (
        "user.created A user was added to the company account. System related and triggers"
        in page.text
    )
    assert "attack.detected An attack: hits of one type on one address. Triggers alone" in page.text
    assert person(api, ADMIN).get("/events/types/nothing").status_code == 404


def test_a_developer_finds_what_there_is_by_the_navigation(api: HttpApi) -> None:
    developer = person(api, Role.DEVELOPER)
    assert developer.get("/").headers["Location"] == "/events/types"
    page = developer.page("/events/try")
    current = [one["href"] for one in page.all("a") if one.get("aria-current") == "page"]
    assert "/events/types" in current
    assert not {"/events", "/integrations", "/notifications"} & hrefs(page)


# Rejected events.


def test_a_rejected_event_is_taken_in_after_it_was_mended(api: HttpApi, line: CommandLine) -> None:
    line.integration("--name", "SOC")
    ingest(line.wiring.context, [], [a_rejection(client_id=1)])
    admin = person(api, ADMIN)
    listed = check_page(admin.get("/events/rejected"))
    assert "title must not be blank" in listed.text
    (path,) = [href for href in hrefs(listed) if re.search(r"/rejected/\d", href or "")]
    assert path
    mended = json.loads(text_of_field(admin.get(path).text)) | {"title": "Mended"}
    again = admin.send(f"{path}/resubmit", {"which": "as it was kept"})
    assert again.status_code == 400
    assert "title must not be blank" in check_page(again).text
    done = admin.send(f"{path}/resubmit", {"event": json.dumps(mended)})
    assert (done.status_code, done.headers["Location"]) == (
        303,
        f"/events/{mended['id']}?client_id=1",
    )
    assert "High issue: Mended" in admin.page(done.headers["Location"]).text
    assert "Taken in after all" in admin.page(path).text
    assert "None is rejected" in admin.page("/events/rejected").text
    twice = admin.send(f"{path}/resubmit", {"event": json.dumps(mended)})
    assert (twice.status_code, "already" in check_page(twice).text) == (400, True)


def test_a_rejected_event_is_never_taken_in_for_another_client(
    api: HttpApi, line: CommandLine
) -> None:
    ingest(line.wiring.context, [], [a_rejection(client_id=1)])
    (one,) = line.json("events", "rejected")["items"]
    others = json.dumps({**sample("rule.created").body, "client_id": 2})
    answer = person(api, ADMIN).send(f"/events/rejected/{one['id']}/resubmit", {"event": others})
    assert answer.status_code == 404
    assert line.json("events", "list")["items"] == []


def test_who_may_only_look_at_rejected_events_has_no_button(
    api: HttpApi, line: CommandLine
) -> None:
    ingest(line.wiring.context, [], [a_rejection(client_id=1)])
    (one,) = line.json("events", "rejected")["items"]
    page = person(api, Role.DEVELOPER).page(f"/events/rejected/{one['id']}")
    assert "Take it in" not in page.text
    assert '"risk": "high"' in page.text or '"risk":"high"' in page.text


def test_rejected_events_are_those_of_the_client_that_was_chosen(
    api: HttpApi, line: CommandLine
) -> None:
    owned(line, 1)
    owned(line, 2)
    operator = person(api, Role.OPERATOR)
    rows = [
        len(operator.page(f"/events/rejected{of}").all("tr")) - 1 for of in ("", "?client_id=2")
    ]
    assert rows == [2, 1]


def test_a_long_rejected_event_stays_within_a_page_and_is_taken_in_as_it_was_kept(
    api: HttpApi, line: CommandLine
) -> None:
    long = a_rejection(client_id=1, note='"' * 40_000)
    ingest(line.wiring.context, [], [long])
    (one,) = line.json("events", "rejected")["items"]
    admin, path = person(api, ADMIN), f"/events/rejected/{one['id']}"
    page = check_page(admin.get(path))
    assert "Take it in as it was kept" in page.text
    assert text_of_field(admin.get(path).text) == ""
    line.sql("UPDATE rejected SET body_text = replace(body_text, '\" \"', '\"Mended\"')")
    done = admin.send(f"{path}/resubmit", {"which": "as it was kept"})
    assert done.status_code == 303
