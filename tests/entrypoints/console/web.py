"""The console, as tests drive it: people with cookies who open pages and send forms."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.rights import OF_ALL_CLIENTS
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.services.manage_users import create_user
from wallarm_notify.services.sessions import make_sign_in_link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrypoints.api.http_api import HttpApi

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """A parsed page: its elements with their attributes, its text, and what is not well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"{tag} stays open" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself, as those of SVG do."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Note a tag that closes what is not open."""
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, with single blanks."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def form_token(self) -> str:
        """What the page's forms carry."""
        found = {f["value"] for f in self.all("input") if f.get("name") == "form_token"}
        (token,) = found
        assert token
        return token


class Person:
    """Somebody with a browser's cookies, who follows no redirect."""

    def __init__(self, api: HttpApi) -> None:
        self.api = api
        self.session = requests.Session()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """Open a page."""
        answer = self.session.get(
            self.api.url + path, headers=headers, allow_redirects=False, timeout=30
        )
        self.api.answers.append(answer.text)
        return answer

    def page(self, path: str) -> Page:
        """Open a page that is there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-600:])
        return Page(answer.text)

    def post(
        self,
        path: str,
        form: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a form, as from a page of the console unless ``headers`` say otherwise."""
        answer = self.session.post(
            self.api.url + path,
            data=form or {"nothing": ""},
            headers={"Sec-Fetch-Site": "same-origin", **(headers or {})},
            allow_redirects=False,
            timeout=30,
        )
        self.api.answers.append(answer.text)
        return answer

    def send(self, path: str, form: dict[str, Any] | None = None) -> requests.Response:
        """Send a form of the own session."""
        return self.post(path, {"form_token": self.form_token, **(form or {})})

    @property
    def form_token(self) -> str:
        """What forms of the own session carry."""
        return Page(self.get("/coverage").text).form_token


def link_for(api: HttpApi, role: Role, client_id: int = 1) -> str:
    """Return the path of a link that signs in somebody new of a role."""
    context = api.line.wiring.context
    whose = None if role in OF_ALL_CLIENTS else client_id
    email = f"{uuid4()}@example.com"
    create_user(
        *(context, operator("Ops"), EVERY_CLIENT), UserDraft(whose, email, f"A {role}", role)
    )
    link = make_sign_in_link(context, operator("Ops"), EVERY_CLIENT, email)
    return f"/sign-in/{link.reveal()}"


def person(api: HttpApi, role: Role, client_id: int = 1) -> Person:
    """Return somebody new of a role, who has signed in."""
    made = Person(api)
    assert made.post(link_for(api, role, client_id)).status_code == 303
    return made
