"""Settings: users, tokens, applications, the activity log and sessions."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from entrypoints.api.http_api import served
from entrypoints.api.owned import owned
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import Page, Person, link_for, person
from wallarm_notify.domain.activity import Action, Activity, Change, ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.rights import OF_USERS, Thing, Verb, may
from wallarm_notify.entrypoints.console.pages.activity import MOST_EXPORTED, as_csv

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

ADMIN: Final = Role.ADMINISTRATOR
ANA: Final = {"name": "Ana", "email": "ana@example.com", "role": "analytic"}
TABS: Final = {
    "users": Thing.USERS,
    "tokens": Thing.TOKENS,
    "applications": Thing.APPLICATIONS,
    "activity": Thing.ACTIVITY,
}


def links(page: Page) -> set[str | None]:
    return {a["href"] for a in page.all("a")}


def made_user(admin: Person, **fields: str) -> str:
    """Add a user; return the path of the user's page."""
    done = admin.send("/settings/users/new", {**ANA, **fields})
    assert done.status_code == 303, done.text[-500:]
    return done.headers["Location"]


# Tabs.


@pytest.mark.parametrize("role", sorted(OF_USERS))
def test_each_role_has_the_tabs_and_the_entry_that_it_has_the_right_to(
    api: HttpApi, role: Role
) -> None:
    somebody = person(api, role)
    seen = [tab for tab, thing in TABS.items() if may(role, thing, Verb.VIEW)]
    first = somebody.get("/settings").headers["Location"]
    assert first == f"/settings/{[*seen, 'sessions'][0]}"
    page = check_page(somebody.get("/settings/sessions"))
    shown = {one for one in TABS if f"/settings/{one}" in links(page)}
    assert shown == set(seen)
    entries = re.findall(r'href="(/settings)(?:\?[^"]*)?"', somebody.get("/settings/sessions").text)
    assert bool(entries) is bool(seen)


# Users.


def test_a_user_is_added_given_a_role_disabled_and_enabled(api: HttpApi, line: CommandLine) -> None:
    admin = person(api, ADMIN)
    path = made_user(admin)
    assert "Ana is enabled Analyst. Never signed in so far." in check_page(admin.get(path)).text
    assert "ana@example.com" in check_page(admin.get("/settings/users")).text
    assert admin.send(f"{path}/role", {"role": "auditor"}).headers["Location"] == path
    assert "Read Only." in admin.page(path).text
    assert admin.send(f"{path}/disable").headers["Location"] == path
    assert "Ana is disabled" in admin.page(path).text
    assert admin.send(f"{path}/enable").status_code == 303
    (ana,) = [one for one in line.json("users", "list")["items"] if one["email"] == ANA["email"]]
    assert (ana["role"], ana["enabled"], ana["client_id"]) == ("auditor", True, 1)
    assert ana["created_by"] != "Ops", "the log has who did it"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "ana"}, "email"),
        ({"name": " "}, "name"),
        ({"role": ""}, "role"),
        ({"role": "operator"}, "role"),
    ],
)
def test_a_user_who_cannot_be_keeps_what_was_entered(
    api: HttpApi, fields: dict[str, str], field: str
) -> None:
    answer = person(api, ADMIN).send("/settings/users/new", {**ANA, **fields})
    page = check_page(answer)
    assert answer.status_code == 400
    (invalid,) = [
        one for one in page.all("input") + page.all("select") if one.get("aria-invalid") == "true"
    ]
    assert invalid["name"] == field
    kept = {one.get("name"): one.get("value") for one in page.all("input")}
    assert kept["name"] == fields.get("name", "Ana").strip()


def test_a_role_that_exceeds_the_own_is_neither_offered_nor_given(
    api: HttpApi, line: CommandLine
) -> None:
    admin, path = person(api, ADMIN), made_user(person(api, Role.PARTNER_ADMINISTRATOR))
    offered = {one["value"] for one in admin.page(path).all("option")}
    assert "admin" in offered
    assert not offered & {"partner_admin", "operator", "producer", "system"}
    assert admin.send(f"{path}/role", {"role": "partner_admin"}).status_code == 403
    assert "Role: Partner" not in admin.page(path).text
    boss = made_user(
        person(api, Role.PARTNER_ADMINISTRATOR), email="boss@example.com", role="partner_admin"
    )
    page = admin.page(boss)
    assert "This role exceeds yours" in page.text
    assert admin.send(f"{boss}/role", {"role": "analytic"}).status_code == 403


def test_nobody_changes_the_own_role(api: HttpApi, line: CommandLine) -> None:
    admin = person(api, ADMIN)
    number = line.json("users", "list")["items"][-1]["id"]
    page = check_page(admin.get(f"/settings/users/{number}"))
    assert "Another administrator changes your role" in page.text
    refused = admin.send(f"/settings/users/{number}/role", {"role": "analytic"})
    assert (refused.status_code, "nobody changes the own role" in refused.text) == (400, True)
    assert admin.send(f"/settings/users/{number}/disable").status_code == 400


def test_a_sign_in_link_is_shown_once_and_signs_in_once(api: HttpApi) -> None:
    admin = person(api, ADMIN)
    path = made_user(admin)
    shown = check_page(admin.send(f"{path}/sign-in-link"))
    (link,) = re.findall(rf"{re.escape(api.url)}(/sign-in/[\w-]{{43}})", shown.text)
    assert "/sign-in/" not in check_page(admin.get(path)).text
    ana = Person(api)
    assert ana.post(link).status_code == 303
    assert ana.get("/settings/tokens").status_code == 403
    assert Person(api).post(link).status_code == 400


def test_a_sign_in_link_speaks_tls_where_people_come_by_it(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "127.0.0.1")
    with served(line) as behind:
        https = {"X-Forwarded-Proto": "https", "Origin": behind.url}
        admin = Person(behind)
        admin.post(link_for(behind, ADMIN), headers=https)
        # The cookie is for TLS alone, which this server does not speak by itself.
        ((name, value),) = admin.session.cookies.items()
        https["Cookie"] = f"{name}={value}"
        token = Page(admin.get("/settings/sessions", headers=https).text).form_token
        fields = {**ANA, "form_token": token}
        made = admin.post("/settings/users/new", fields, headers=https).headers["Location"]
        shown = admin.post(f"{made}/sign-in-link", {"form_token": token}, headers=https)
    host = behind.url.removeprefix("http://")
    assert re.search(rf"https://{re.escape(host)}/sign-in/[\w-]{{43}}", shown.text)
    assert f"http://{host}/sign-in/" not in shown.text


def test_the_log_says_who_made_a_sign_in_link_for_whom(api: HttpApi) -> None:
    admin = person(api, ADMIN)
    path = made_user(admin)
    admin.send(f"{path}/sign-in-link")
    page = check_page(admin.get("/settings/activity?what=user&by=console"))
    number = path.rpartition("/")[2]
    assert f"Made a sign-in link for user {number} sign in link for: ana@example.com" in page.text


def test_read_only_users_see_users_and_change_none(api: HttpApi) -> None:
    path = made_user(person(api, ADMIN))
    auditor = person(api, Role.READ_ONLY)
    page = check_page(auditor.get(path))
    assert f"{path}/disable" not in {form["action"] for form in page.all("form")}
    assert "/settings/users/new" not in links(check_page(auditor.get("/settings/users")))
    assert auditor.send(f"{path}/disable").status_code == 403


# Tokens.


def test_a_token_is_shown_once_lets_in_is_renewed_and_revoked(api: HttpApi) -> None:
    admin = person(api, ADMIN)
    form = {"name": "CI", "role": "admin", "expires": "90", "with_uuid": "1"}
    made = check_page(admin.send("/settings/tokens/new", form))
    # The secret of the UUID may look like one too.
    (token,) = re.findall(r"Token ([A-Za-z0-9+/]{64}) ", made.text)
    assert "shown this once" in made.text
    listing = check_page(admin.get("/settings/tokens"))
    assert token not in listing.text
    assert f"CI shared Administrator {token[:5]}… Valid" in listing.text
    (path,) = [
        str(one) for one in links(listing) if re.fullmatch(r"/settings/tokens/\d+", str(one))
    ]
    assert token not in check_page(admin.get(path)).text
    program = Person(api)
    assert program.post("/sign-in", {"token": token}).status_code == 303
    renewed = check_page(admin.send(f"{path}/renew", {"expires": "as before"}))
    (other,) = re.findall(r"Token ([A-Za-z0-9+/]{64}) ", renewed.text)
    assert other != token
    assert program.get("/coverage").status_code == 303, "its sessions have ended"
    assert Person(api).post("/sign-in", {"token": token}).status_code == 400
    assert admin.send(f"{path}/revoke").headers["Location"] == path
    assert "Revoked" in admin.page(path).text
    assert Person(api).post("/sign-in", {"token": other}).status_code == 400


def test_a_token_that_cannot_be_keeps_what_was_entered(api: HttpApi) -> None:
    admin = person(api, ADMIN)
    for fields in ({"role": "partner_admin"}, {"role": "producer"}):
        form = {"name": "CI", "expires": "90", **fields}
        assert admin.send("/settings/tokens/new", form).status_code in (400, 403)
    answer = admin.send("/settings/tokens/new", {"name": "CI", "role": "admin", "expires": "7"})
    page = check_page(answer)
    assert (answer.status_code, "choose one of these" in page.text) == (400, True)
    assert "CI" in {one.get("value") for one in page.all("input")}
    assert "There is none yet" in admin.page("/settings/tokens").text


# Applications.


def test_an_application_is_added_renamed_and_deleted(api: HttpApi, line: CommandLine) -> None:
    line.ok("clients", "set", 1, "--name", "Example Shop")
    admin = person(api, ADMIN)
    done = admin.send("/settings/applications/new", {"id": "7", "name": "Shop"})
    assert done.headers["Location"] == "/settings/applications"
    again = admin.send("/settings/applications/new", {"id": "7", "name": "Other"})
    assert (again.status_code, "Already exists" in check_page(again).text) == (400, True)
    wrong = admin.send("/settings/applications/new", {"id": "x", "name": "Other"})
    assert (wrong.status_code, "whole number" in check_page(wrong).text) == (400, True)
    assert "7 Shop Change" in check_page(admin.get("/settings/applications")).text
    empty = admin.send("/settings/applications/7/rename", {"name": ""})
    assert (empty.status_code, "1 to 200" in check_page(empty).text) == (400, True)
    assert admin.send("/settings/applications/7/rename", {"name": "Store"}).status_code == 303
    assert "7 Store Change" in admin.page("/settings/applications").text
    assert admin.send("/settings/applications/-1/rename", {"name": "Rest"}).status_code == 303
    assert admin.send("/settings/applications/-1/delete").status_code == 400
    assert admin.send("/settings/applications/7/delete").status_code == 303
    assert admin.get("/settings/applications/7").status_code == 404
    analyst = person(api, Role.ANALYST)
    assert "Change" not in check_page(analyst.get("/settings/applications")).text


def test_many_applications_are_on_pages(api: HttpApi, line: CommandLine) -> None:
    mine = owned(line, 1)
    line.sql(
        "INSERT INTO applications (client_id, id, name) SELECT 1, n, 'A' || n FROM generate_series(1, 60) n"
    )
    assert mine.application_id == 101
    admin = person(api, ADMIN)
    page = check_page(admin.get("/settings/applications"))
    (following,) = [str(one) for one in links(page) if "after=" in str(one)]
    assert "Shop 1" not in page.text
    assert "Shop 1" in check_page(admin.get(following)).text


# The activity log.


def test_the_log_is_filtered_by_its_address_and_downloaded_as_it_is_filtered(
    api: HttpApi, line: CommandLine
) -> None:
    number, admin = line.integration("--name", "SOC"), person(api, ADMIN)
    admin.send(f"/integrations/{number}/disable", {"reason": "moved"})
    admin.send("/settings/applications/new", {"id": "7", "name": "=HYPERLINK(1)"})
    everything = check_page(admin.get("/settings/activity"))
    assert f"Disabled integration {number}" in everything.text
    assert "Created application 7" in everything.text
    query = "what=integration&by=console"
    page = check_page(admin.get(f"/settings/activity?{query}"))
    assert f"Disabled integration {number}" in page.text
    assert "application 7" not in page.text
    assert "/settings/activity.csv?what=integration&by=console" in {
        str(one).replace("&client_id=", "") for one in links(page)
    }
    answer = admin.get(f"/settings/activity.csv?{query}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="activity-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(one["action"], one["object"], one["by way of"]) for one in rows] == [
        ("disabled", str(number), "console")
    ]
    assert '"enabled": false' in rows[0]["after"]
    nothing = check_page(admin.get("/settings/activity?until=2020-01-01"))
    assert "Drop all filters" in nothing.text
    assert admin.get("/settings/activity?since=2026-13-45").status_code == 400
    assert admin.get("/settings/activity?what=nonsense").status_code == 400


def test_names_that_a_spreadsheet_would_compute_are_kept_from_it(
    api: HttpApi, line: CommandLine
) -> None:
    line.ok("integrations", "create", "--client", 1, "--key", "-", "--user", "=1+1", stdin="C" * 32)
    rows = person(api, ADMIN).get("/settings/activity.csv?what=integration").text
    assert next(csv.DictReader(io.StringIO(rows)))["who"] == "'=1+1"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_whichever_separator_a_spreadsheet_reads_by(separator: str) -> None:
    hostile = "Ana;=1+1,=1+1\t@SUM(1)\n-1;\r+1; =1"
    change = Change(
        *(Action.UPDATED, ObjectType.APPLICATION, 1, 7),
        before={"name": hostile},
        after={"name;=1": [hostile]},
    )
    line = Activity(1, datetime.now(UTC), Actor(hostile, ADMIN, Source.CONSOLE, 1), change)
    text = as_csv([line])
    # Without a newline of its own given, a carriage return ends a line too, as spreadsheets have it.
    lines = io.StringIO(text, newline=None)
    cells = [cell for row in csv.reader(lines, delimiter=separator) for cell in row]
    assert [one for one in cells if one.lstrip(" \t\r").startswith(("=", "+", "-", "@"))] == []
    (row,) = csv.DictReader(io.StringIO(text))
    assert json.loads(row["before"]) == {"name": hostile}
    assert json.loads(row["after"]) == {"name;=1": [hostile]}


def test_a_file_that_ends_early_says_so_in_its_last_line() -> None:
    change = Change(Action.UPDATED, ObjectType.APPLICATION, 1, 7)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    lines = [Activity(1, at, Actor("Ana", ADMIN, Source.CONSOLE, 1), change)]
    assert as_csv(lines, at).splitlines()[-1] == (
        "Lines before 2026-03-01T12:00:00+00:00 are not in this file: choose days before that for them."
    )
    assert "not in this file" not in as_csv(lines)


def test_the_file_of_a_long_log_ends_early(api: HttpApi, line: CommandLine) -> None:
    line.sql(
        f"""INSERT INTO activity (at, client_id, actor, role, source, action, object_type, object_id, before, after)
            SELECT now(), 1, 'Ops', 'operator', 'command_line', 'updated', 'application', n, '{{}}', '{{}}'
            FROM generate_series(1, {MOST_EXPORTED + 1}) n"""
    )
    text = person(api, ADMIN).get("/settings/activity.csv?what=application").text
    assert "are not in this file" in text.splitlines()[-1]


def test_pages_of_the_log_follow_each_other_and_the_file_has_all(
    api: HttpApi, line: CommandLine
) -> None:
    admin = person(api, ADMIN)
    line.sql(
        """INSERT INTO activity (at, client_id, actor, role, source, action, object_type, object_id, before, after)
           SELECT now(), 1, 'Ops', 'operator', 'command_line', 'updated', 'application', n, '{}', '{}'
           FROM generate_series(1, 120) n"""
    )
    seen: list[str] = []
    path: str | None = "/settings/activity?what=application"
    while path is not None:
        page = check_page(admin.get(path))
        seen += re.findall(r"Updated application (\d+)", page.text)
        path = next((str(one) for one in links(page) if "after=" in str(one)), None)
    assert seen == [str(n) for n in range(120, 0, -1)]
    rows = list(
        csv.DictReader(io.StringIO(admin.get("/settings/activity.csv?what=application").text))
    )
    assert len(rows) == 120


def test_a_line_shows_the_previous_and_the_new_and_leads_to_what_was_changed(
    api: HttpApi, line: CommandLine
) -> None:
    number, admin = line.integration("--name", "SOC"), person(api, ADMIN)
    line.ok("integrations", "update", number, "--name", "Night shift")
    page = check_page(admin.get("/settings/activity?what=integration&action=updated"))
    (path,) = [str(one) for one in links(page) if re.fullmatch(r"/settings/activity/\d+", str(one))]
    shown = check_page(admin.get(path))
    assert re.search(r"name Previous: SOC New: Night shift", shown.text)
    assert f"/integrations/{number}" in links(shown)


def test_a_role_sees_the_lines_of_what_it_may_view(api: HttpApi, line: CommandLine) -> None:
    number, auditor = line.integration(), person(api, Role.READ_ONLY)
    assert f"integration {number}" not in check_page(auditor.get("/settings/activity")).text
    assert auditor.get("/settings/activity.csv").text.count("integration") == 0
    assert person(api, Role.ANALYST).get("/settings/activity.csv").status_code == 403


# Sessions.


def test_own_sessions_are_ended_by_anybody_and_those_of_others_by_administrators(
    api: HttpApi, line: CommandLine
) -> None:
    admin, analyst = person(api, ADMIN), person(api, Role.ANALYST)
    mine = check_page(analyst.get("/settings/sessions"))
    assert "this one" in mine.text
    assert "Of others" not in mine.text
    seen = check_page(admin.get("/settings/sessions"))
    ends = [form["action"] for form in seen.all("form") if "/end" in str(form["action"])]
    assert len(ends) == 2
    (analysts,) = {
        str(form["action"]) for form in mine.all("form") if "/end" in str(form["action"])
    }
    own = next(str(one) for one in ends if one != analysts)
    assert analyst.send(own).status_code == 403
    assert admin.send(analysts).headers["Location"] == "/settings/sessions"
    assert analyst.get("/coverage").headers["Location"].startswith("/sign-in")
    log = check_page(admin.get("/settings/activity?what=session"))
    assert re.search(r"Ended the session of [\w-]+@example\.com", log.text)
    assert log.text.count("Signed in") == 2
    assert admin.send(own).headers["Location"] == "/sign-in"
    assert admin.get("/coverage").status_code == 303


def test_the_session_of_whoever_may_do_more_has_no_button(api: HttpApi) -> None:
    admin, partner = person(api, ADMIN), person(api, Role.PARTNER_ADMINISTRATOR)

    def ends(of: Person) -> set[str]:
        forms = check_page(of.get("/settings/sessions")).all("form")
        return {str(form["action"]) for form in forms if "/end" in str(form["action"])}

    assert (len(ends(admin)), len(ends(partner))) == (1, 2)
    (partners,) = ends(partner) - ends(admin)
    assert admin.send(partners).status_code == 403
    assert partner.get("/coverage").status_code == 200


def test_a_form_of_a_session_that_ended_says_that_nothing_was_changed(
    api: HttpApi, line: CommandLine
) -> None:
    somebody, number = person(api, ADMIN), line.integration()
    token = somebody.form_token
    line.sql("UPDATE sessions SET ended_at = now()")
    answer = somebody.post(
        f"/integrations/{number}/disable", {"form_token": token, "reason": "secret words"}
    )
    page = Page(somebody.get(answer.headers["Location"]).text)
    assert "Nothing was changed" in page.text
    assert "secret words" not in page.text
    assert "Nothing was changed" not in Page(Person(api).get("/sign-in").text).text
