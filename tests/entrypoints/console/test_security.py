"""Who signs in, forms from elsewhere, cookies, and what a template may not hold."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pytest

from entrypoints.api.http_api import served
from entrypoints.console.web import Page, Person, link_for, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.console import assets
from wallarm_notify.entrypoints.console.app import page_routes
from wallarm_notify.entrypoints.console.same_origin import local_path

if TYPE_CHECKING:
    from pathlib import Path

    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

TEMPLATES: Final = {
    one.name: one.read_text()
    for one in (files("wallarm_notify.entrypoints.console") / "templates").iterdir()
}
ADMIN: Final = Role.ADMINISTRATOR


# Signing in.


def test_opening_a_link_signs_nobody_in_and_its_button_does_once(api: HttpApi) -> None:
    link, somebody, other = link_for(api, ADMIN), Person(api), Person(api)
    assert "Sign in" in somebody.page(link).text
    assert somebody.get("/coverage").status_code == 303
    assert somebody.post(link).headers["Location"] == "/"
    assert somebody.get("/").headers["Location"] == "/overview"
    late = other.post(link)
    assert (late.status_code, "was used" in late.text) == (400, True)


def test_a_token_signs_in_and_is_never_repeated(api: HttpApi) -> None:
    token, somebody = api.token(ADMIN), Person(api)
    done = somebody.post("/sign-in", {"token": f" {token} ", "next": "/coverage?client_id=1"})
    assert (done.status_code, done.headers["Location"]) == (303, "/coverage?client_id=1")
    assert somebody.page("/coverage")
    wrong = Person(api).post("/sign-in", {"token": "A" * 64})
    assert (wrong.status_code, "A" * 64 in wrong.text) == (400, False)


def test_a_token_that_sends_events_signs_nobody_in(api: HttpApi) -> None:
    token, program = api.token(Role.PRODUCER), Person(api)
    answer = program.post("/sign-in", {"token": token})
    page = Page(answer.text)
    assert (answer.status_code, token in answer.text) == (400, False)
    assert "This token sends events, and signs nobody in." in page.text
    assert program.get("/coverage").status_code == 303


def test_a_link_says_whom_it_signs_in_and_ends_the_session_that_it_replaces(api: HttpApi) -> None:
    somebody, link = person(api, ADMIN), link_for(api, ADMIN)
    before = Person(api)
    before.session.cookies.update(somebody.session.cookies)
    text = Page(somebody.get(link).text).text
    assert re.search(r"signs you in as \S+@example\.com , in place of \S+@example\.com\.", text)
    assert "in place of" not in Page(Person(api).get(link).text).text
    assert somebody.post(link).status_code == 303
    assert somebody.get("/coverage").status_code == 200
    assert before.get("/coverage").status_code == 303
    used = somebody.get(link)
    assert (used.status_code, "You are not signed in" in used.text) == (400, True)


def test_who_is_not_signed_in_comes_back_to_the_page_that_was_wanted(api: HttpApi) -> None:
    answer = Person(api).get("/integrations?show=disabled")
    assert answer.headers["Location"] == "/sign-in?next=/integrations%3Fshow%3Ddisabled"
    fields = Page(Person(api).get(answer.headers["Location"]).text).all("input")
    assert fields[0]["value"] == "/integrations?show=disabled"


@pytest.mark.parametrize(
    "path",
    ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/a\nb", "/ä", None],
)
def test_nobody_is_led_to_another_site(path: str | None) -> None:
    assert local_path(path) is None
    assert local_path("/integrations?show=all") == "/integrations?show=all"


def test_signing_out_ends_the_session_also_for_who_copied_its_cookie(api: HttpApi) -> None:
    somebody, thief = person(api, ADMIN), Person(api)
    thief.session.cookies.update(somebody.session.cookies)
    assert thief.get("/coverage").status_code == 200
    assert somebody.send("/sign-out").headers["Location"] == "/sign-in"
    assert thief.get("/coverage").status_code == 303


def test_a_session_that_ended_elsewhere_lets_no_form_through(
    api: HttpApi, line: CommandLine
) -> None:
    somebody, number = person(api, ADMIN), line.integration()
    token = somebody.form_token
    line.sql("UPDATE sessions SET ended_at = now()")
    answer = somebody.post(f"/integrations/{number}/disable", {"form_token": token})
    assert answer.headers["Location"] == "/sign-in?unsent=1"
    assert line.json("integrations", "show", number)["enabled"]


def test_the_header_of_a_trusted_proxy_alone_names_somebody(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_IDENTITY_HEADER", "X-Person")
    ana = ("--client", 1, "--email", "ana@example.com", "--name", "Ana", "--role", "admin")
    line.ok("users", "create", *ana)
    with served(line) as api:
        assert (
            Person(api).post("/sign-in/proxy", headers={"X-Person": "ana@example.com"}).status_code
            == 400
        )
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "127.0.0.1")
    with served(line) as api:
        somebody = Person(api)
        named = {"X-Person": "Ana@example.com"}
        assert "Continue as ana@example.com" in somebody.get("/sign-in", headers=named).text
        assert (
            somebody.post("/sign-in/proxy", headers={"X-Person": "eve@example.com"}).status_code
            == 400
        )
        assert somebody.post("/sign-in/proxy", headers=named).status_code == 303
        assert somebody.get("/coverage", headers=named).status_code == 200
        assert somebody.get("/coverage").status_code == 303, "the proxy names nobody any more"
        assert somebody.get("/coverage", headers={"X-Person": "eve@example.com"}).status_code == 303


def test_a_cookie_is_of_this_host_alone_behind_tls_and_no_script_reads_it(
    line: CommandLine, api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Person(api).post(link_for(api, ADMIN)).headers["Set-Cookie"]
    assert re.fullmatch(r"wallarm-notify-session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", plain)
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "127.0.0.1")
    with served(line) as behind:
        https = {"X-Forwarded-Proto": "https"}
        kept = Person(behind).post(link_for(behind, ADMIN), headers=https).headers["Set-Cookie"]
    assert kept.startswith("__Host-wallarm-notify-session=")
    assert kept.endswith("; Secure")


@pytest.mark.parametrize("spoken", ["HTTPS", "https,http", "https, http"])
def test_the_first_of_several_proxies_says_what_the_browser_spoke(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_TRUSTED_PROXIES", "127.0.0.1")
    with served(line) as behind:
        headers = {"X-Forwarded-Proto": spoken}
        kept = Person(behind).post(link_for(behind, ADMIN), headers=headers).headers["Set-Cookie"]
    assert kept.startswith("__Host-wallarm-notify-session=")


def test_a_cookie_is_secure_where_people_come_by_https_whatever_a_proxy_says(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_PUBLIC_URL", "https://notify.example.com")
    with served(line) as behind:
        kept = Person(behind).post(link_for(behind, ADMIN)).headers["Set-Cookie"]
    assert kept.startswith("__Host-wallarm-notify-session=")
    assert kept.endswith("; Secure")


def test_another_session_of_a_token_is_no_second_allowance(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_API_TOKEN_RATE", "4")
    with served(line) as api:
        token, answers = api.token(ADMIN), []
        for _ in range(3):
            somebody = Person(api)
            assert somebody.post("/sign-in", {"token": token}).status_code == 303
            answers += [somebody.get("/coverage").status_code for _ in range(2)]
    assert answers == [200, 200, 200, 200, 429, 429]


# Forms from elsewhere.


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "http://["},
    ],
    ids=str,
)
def test_no_form_from_another_site_is_taken(
    api: HttpApi, headers: dict[str, str], subtests: pytest.Subtests
) -> None:
    somebody = person(api, ADMIN)
    token = somebody.form_token
    for route in page_routes():
        if "POST" not in (route.methods or ()):
            continue
        path = re.sub(r"\{\w+\}", "1", route.path)
        with subtests.test(path):
            assert somebody.post(path, {"form_token": token}, headers=headers).status_code == 403


def test_no_form_without_what_the_own_session_gave_it_is_taken(
    api: HttpApi, line: CommandLine, subtests: pytest.Subtests
) -> None:
    somebody, other = person(api, ADMIN), person(api, ADMIN)
    others_token, number = other.form_token, line.integration()
    for route in page_routes():
        if "POST" not in (route.methods or ()) or not route.right.needs_token:
            continue
        path = re.sub(r"\{\w+\}", str(number), route.path)
        for form in ({}, {"form_token": ""}, {"form_token": others_token}):
            with subtests.test(f"{path} {form}"):
                assert somebody.post(path, form).status_code == 403
    assert somebody.page("/coverage"), "still signed in"
    assert line.json("integrations", "show", number)["enabled"]


def test_what_is_no_form_is_not_read(api: HttpApi) -> None:
    somebody = person(api, ADMIN)
    headers = {"Content-Type": "application/json", "X-Form-Token": somebody.form_token}
    assert somebody.post("/sign-out", headers=headers).status_code == 415
    large = somebody.send("/sign-out", {"x": "y" * 300_000})
    assert (large.status_code, somebody.get("/coverage").status_code) == (413, 200)


def test_htmx_sends_in_a_header_what_forms_carry(api: HttpApi) -> None:
    somebody = person(api, ADMIN)
    assert (
        somebody.post("/sign-out", headers={"X-Form-Token": somebody.form_token}).status_code == 303
    )


# How pages look.


def test_theme_and_utc_are_kept_by_cookies(api: HttpApi) -> None:
    somebody = person(api, ADMIN)

    def themes() -> str | None:
        return somebody.page("/coverage").all("html")[0].get("data-theme")

    assert themes() is None
    kept = somebody.send("/preferences/theme", {"theme": "dark", "next": "/coverage"})
    assert (kept.headers["Location"], themes()) == ("/coverage", "dark")
    somebody.send("/preferences/theme", {"theme": "system"})
    assert themes() is None
    somebody.session.cookies.set("wallarm-notify-zone", "Asia/Kolkata")
    assert "Times in Kolkata, UTC+5:30" in somebody.page("/coverage").text
    somebody.send("/preferences/zone", {"utc": "1"})
    assert "Times in UTC Read" in somebody.page("/coverage").text


def test_assets_are_kept_for_good_and_weigh_140_kb_at_most(api: HttpApi) -> None:
    stranger, total = Person(api), 0
    for name in assets.TYPES:
        answer = stranger.get(assets.asset_url(name))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, assets.TYPES[name])
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.content == assets.contents()[name]
        total += int(answer.headers["Content-Length"])
        plain = stranger.get(assets.asset_url(name), {"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert plain.content == answer.content
        assert plain.headers["Vary"] == answer.headers["Vary"] == "Accept-Encoding"
    assert total <= 140_000
    assert stranger.get("/assets/0000000000000000/console.css").status_code == 404
    assert stranger.get(f"/assets/{assets.version()}/..%2fapp.py").status_code == 404


# Templates.


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_holds_what_the_policy_forbids(name: str) -> None:
    text = TEMPLATES[name]
    for forbidden in (
        "hx-on",
        "js:",
        "javascript:",
        "|safe",
        "| safe",
        "<style",
        "style=",
        "autoescape",
    ):
        assert forbidden not in text, f"{forbidden} in {name}"
    assert not re.search(r"<script(?! src=)", text)
    assert not re.search(r"\son[a-z]+=", text)


@pytest.mark.parametrize("name", [n for n in TEMPLATES if n != "ui.html"])
def test_each_form_that_is_sent_carries_what_its_session_gave_it(name: str) -> None:
    for form in re.findall(r'<form[^>]*method="post".*?</form>', TEMPLATES[name], re.DOTALL):
        assert "form_token_field()" in form or 'action="/sign-in' in form or "path }}" in form


def test_every_icon_that_a_page_shows_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', assets.contents()["icons.svg"].decode()))
    shown = {n for text in TEMPLATES.values() for n in re.findall(r'icon\("([\w-]+)"', text)}
    assert shown <= sprite


def test_files_of_others_are_served_with_their_licences_in_the_package() -> None:
    folder: Path = files("wallarm_notify.entrypoints.console") / "static" / "licences"  # type: ignore[assignment]  # a path on a disk
    assert {one.name for one in folder.iterdir()} == {"htmx.txt", "inter.txt", "lucide.txt"}
