"""Every page, for every role, with nothing, one, many, long and hostile things in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from entrypoints.api.owned import Owned, owned, with_nobodys
from entrypoints.command_line import KEY
from entrypoints.console.web import Page, Person, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import OF_USERS, may
from wallarm_notify.entrypoints.console.app import page_routes
from wallarm_notify.entrypoints.console.visit import POLICY

if TYPE_CHECKING:
    from requests import Response

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.entrypoints.console.route import PageRoute

HOSTILE: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
LARGEST_PAGE: Final = 60_000

PAGES: Final = [
    one for one in page_routes() if "GET" in (one.methods or ()) and not one.path.endswith(".csv")
]
FORMS: Final = [one for one in page_routes() if "POST" in (one.methods or ())]
NOBODYS: Final = Owned(1, 77, 78, 79, 80, "7b0c6a52-0001-4000-8000-00000000000a", 81, 82)


def filled(path: str, whose: Owned) -> str:
    """The path of a page about the things of a client."""
    return path.format(**whose.ids, link=whose.link, client_id=whose.client_id)


def reader_of(route: PageRoute) -> Role:
    """A role that may open a page: an administrator's, or where that is not enough the operator's."""
    thing, verb = route.right.thing, route.right.verb
    admin = Role.ADMINISTRATOR
    return admin if thing is None or may(admin, thing, verb) else Role.OPERATOR


def check_page(answer: Response) -> Page:
    """Check what holds of every page; return it."""
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.content) <= LARGEST_PAGE
    page = Page(answer.text)
    assert page.faults == []
    assert len(page.all("h1")) == 1, "one heading of the page"
    assert (
        len([b for b in page.all("button") + page.all("a") if "primary" in (b.get("class") or "")])
        <= 1
    )
    for tag, attributes in page.elements:
        assert tag != "style", "no style in a page"
        assert "style" not in attributes
        assert not any(name.startswith(("on", "hx-on")) for name in attributes)
        if tag == "script":
            assert (attributes["src"] or "").startswith("/assets/")
        if tag == "form" and attributes.get("method") == "post":
            assert (attributes["action"] or "").startswith("/")
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids)), "ids are given once"
    labelled = {a["for"] for a in page.all("label") if "for" in a}
    for field in page.all("input") + page.all("select") + page.all("textarea"):
        if field.get("type") not in ("hidden", "checkbox", "radio"):
            assert field.get("aria-label") or field.get("id") in labelled
    return page


def test_each_page_and_form_declares_whom_it_is_for() -> None:
    assert {one.path for one in page_routes() if not one.right.needs_token} == {
        "/sign-in",
        "/sign-in/proxy",
        "/sign-in/{link}",
    }


@pytest.mark.parametrize("role", sorted(OF_USERS))
def test_each_role_opens_the_pages_that_it_has_the_right_to_and_no_other(
    api: HttpApi, line: CommandLine, role: Role, subtests: pytest.Subtests
) -> None:
    mine, somebody = with_nobodys(line, owned(line, 1)), person(api, role)
    for route in PAGES:
        with subtests.test(route.path):
            answer = somebody.get(filled(route.path, mine))
            right = route.right
            if right.thing is not None and not may(role, right.thing, right.verb):
                assert answer.status_code == 403
                assert "You are signed in as" in check_page(answer).text
            elif answer.status_code != 303:
                assert answer.status_code == 200, answer.text[-500:]
                check_page(answer)


def test_nobody_opens_a_page_or_sends_a_form_without_signing_in(
    api: HttpApi, subtests: pytest.Subtests
) -> None:
    stranger = Person(api)
    for route in page_routes():
        if not route.right.needs_token:
            continue
        path = filled(route.path, NOBODYS)
        with subtests.test(path):
            is_page = "GET" in (route.methods or ())
            answer = stranger.get(path) if is_page else stranger.post(path)
            assert answer.status_code == 303
            assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("content", ["empty", "many", "long", "hostile"])
def test_every_page_is_whole_whatever_is_in_it(
    api: HttpApi, line: CommandLine, content: str, subtests: pytest.Subtests
) -> None:
    mine = NOBODYS if content == "empty" else with_nobodys(line, owned(line, 1))
    names = {"empty": [], "many": [f"Team {n}" for n in range(40)], "long": ["W" * 200]}
    for name in names.get(content, [HOSTILE[:200]]):
        given = ("--client", 1, "--key", "-", "--name", name)
        line.ok("integrations", "create", *given, stdin=f"{KEY}\n")
    if content == "hostile":
        line.ok("clients", "set", 1, "--name", HOSTILE[:200])
    people = {role: person(api, role) for role in (Role.ADMINISTRATOR, Role.OPERATOR)}
    for route in PAGES:
        path = filled(route.path, mine)
        with subtests.test(path):
            answer = people[reader_of(route)].get(path)
            if answer.status_code == 303:
                continue
            missing = {"/sign-in/{link}": 400}.get(route.path, 404 if "_id}" in route.path else 200)
            assert answer.status_code == (missing if content == "empty" else 200)
            check_page(answer)


def test_what_is_hostile_is_shown_as_it_is(api: HttpApi, line: CommandLine) -> None:
    line.integration("--name", HOSTILE)
    page = person(api, Role.ADMINISTRATOR).page("/integrations")
    assert " ".join(HOSTILE.split()) in page.text
    assert not page.all("img")


def test_pages_about_another_clients_things_are_not_there(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    others, admin = owned(line, 2), person(api, Role.ADMINISTRATOR)
    for route in page_routes():
        if "_id}" not in route.path or reader_of(route) is not Role.ADMINISTRATOR:
            continue
        path = filled(route.path, others)
        with subtests.test(path):
            is_page = "GET" in (route.methods or ())
            answer = (
                admin.get(path)
                if is_page
                else admin.send(
                    path,
                    {
                        "since": "2026-03-01T00:00:00+00:00",
                        "offered_since": "2026-03-01T00:00:00+00:00",
                    },
                )
            )
            assert answer.status_code == 404
            check_page(answer)


def test_another_client_cannot_be_chosen(api: HttpApi, line: CommandLine) -> None:
    line.ok("clients", "set", 2, "--name", "Other")
    assert person(api, Role.ADMINISTRATOR).get("/coverage?client_id=2").status_code == 404


def test_an_operator_chooses_among_clients_and_links_keep_the_choice(
    api: HttpApi, line: CommandLine
) -> None:
    owned(line, 1)
    owned(line, 2)
    page = person(api, Role.OPERATOR).page("/integrations?client_id=2")
    links = {a["href"] for a in page.all("a")}
    assert {"/integrations?client_id=1", "/coverage?client_id=2"} <= links
    assert "All 1" in page.text


def test_the_navigation_has_what_there_is_and_one_may_open(api: HttpApi) -> None:
    def entries(role: Role) -> set[str | None]:
        links = {a["href"] for a in person(api, role).page("/coverage").all("a")}
        return links & {"/integrations", "/coverage"}

    assert entries(Role.ANALYST) == {"/coverage"}
    assert entries(Role.ADMINISTRATOR) == {"/integrations", "/coverage"}


def test_a_page_that_is_not_there_says_so_in_words(api: HttpApi) -> None:
    admin = person(api, Role.ADMINISTRATOR)
    answer = admin.get("/nowhere", {"Accept": "text/html"})
    assert (answer.status_code, "There is no such page" in check_page(answer).text) == (404, True)
    assert admin.get("/notify/v1/nowhere").headers["Content-Type"] == "application/problem+json"


def test_who_asks_too_often_reads_when_to_come_again(
    api: HttpApi, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Person(api)
    for _ in range(20):
        assert stranger.post("/sign-in", {"token": "x"}).status_code == 400
    answer = stranger.post("/sign-in", {"token": "x"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Too many requests" in check_page(answer).text


# Integrations.


def test_cards_are_shown_by_state_with_their_counts(api: HttpApi, line: CommandLine) -> None:
    first = line.integration("--name", "First", "--subscribe", "system")
    line.integration("--name", "Second", "--subscribe", "security_issue")
    line.ok("integrations", "disable", first, "--user", "Ana", "--reason", "moved")
    admin = person(api, Role.ADMINISTRATOR)
    page = admin.page("/integrations")
    assert re.search("All 2 .*Enabled 1 .*Disabled 1", page.text)
    assert "System related" in page.text
    assert "Security issues of any risk" in page.text
    assert re.search(r"First .*Off .*Ana.* Why moved", page.text)
    assert "First" not in admin.page("/integrations?show=enabled").text
    assert "Second" not in admin.page("/integrations?show=disabled").text


def test_a_search_finds_a_part_of_a_name_and_says_what_to_drop_where_it_finds_none(
    api: HttpApi, line: CommandLine
) -> None:
    line.integration("--name", "Payments on-call")
    admin = person(api, Role.ADMINISTRATOR)
    assert "Payments on-call" in admin.page("/integrations?name=PAY").text
    nothing = admin.page("/integrations?name=100%25")
    assert "No integration has “100%” in its name" in nothing.text
    assert "Drop the name" in nothing.text


def test_an_integration_is_disabled_and_enabled_by_forms(api: HttpApi, line: CommandLine) -> None:
    number = line.integration()
    admin = person(api, Role.ADMINISTRATOR)
    assert "Why" in admin.page(f"/integrations/{number}/disable").text
    done = admin.send(f"/integrations/{number}/disable", {"reason": "holidays"})
    assert "is disabled already" in admin.page(f"/integrations/{number}/disable").text
    assert (done.status_code, done.headers["Location"]) == (303, "/integrations")
    shown = line.json("integrations", "show", number)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "holidays")
    assert admin.send(f"/integrations/{number}/enable").status_code == 303
    assert line.json("integrations", "show", number)["enabled"]
    assert admin.send(f"/integrations/{number}/enable").status_code == 400
    sources = {item["actor"]["source"] for item in line.json("activity", "list")["items"][:2]}
    assert sources == {"console"}


def test_a_refused_form_keeps_what_was_entered(api: HttpApi, line: CommandLine) -> None:
    number = line.integration()
    reason = f"x{'y' * 600}"
    answer = person(api, Role.ADMINISTRATOR).send(
        f"/integrations/{number}/disable", {"reason": reason}
    )
    assert answer.status_code == 400
    page = check_page(answer)
    (field,) = [one for one in page.all("input") if one.get("name") == "reason"]
    assert (field["value"], field["aria-invalid"]) == (reason, "true")
    assert line.json("integrations", "show", number)["enabled"]


def test_what_was_missed_is_offered_and_sent_when_asked_for(
    api: HttpApi, line: CommandLine
) -> None:
    mine, admin = owned(line, 1), person(api, Role.ADMINISTRATOR)
    number = mine.integration_id
    line.ok("integrations", "disable", number)
    line.sql("UPDATE notifications SET state = 'skipped', finished_at = now()")
    offer = Page(admin.send(f"/integrations/{number}/enable").text)
    assert "1 alert was missed since" in offer.text
    times = {
        f["name"]: f["value"] for f in offer.all("input") if f["name"] in ("since", "offered_since")
    }
    done = admin.send(f"/integrations/{number}/replay", {**times, "which": "all"})
    (job,) = [j for j in api.ok("GET", "/notify/v1/replays")["items"] if j["state"] == "waiting"]
    assert (done.status_code, done.headers["Location"]) == (303, f"/replays/{job['id']}")
    assert "Sending 1 alert" in admin.page(f"/replays/{job['id']}").text
    assert (job["integration_id"], job["total"]) == (number, 1)
