"""Every page in a browser: whole for whoever cannot see it, in both themes, on a phone, and without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from entrypoints.api.owned import owned, with_nobodys
from entrypoints.console.test_pages import HOSTILE, PAGES, filled, reader_of

from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page

GRAVE: Final = {"serious", "critical"}


def readers(sign_in: Callable[..., Page], **options: Any) -> dict[Role, Page]:
    """Somebody signed in of each role that ``reader_of`` returns."""
    return {role: sign_in(role, **options) for role in (Role.ADMINISTRATOR, Role.OPERATOR)}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(
    line: CommandLine,
    sign_in: Callable[..., Page],
    theme: Literal["light", "dark"],
    subtests: pytest.Subtests,
) -> None:
    mine, people = with_nobodys(line, owned(line, 1)), readers(sign_in, color_scheme=theme)
    for route in PAGES:
        with subtests.test(route.path):
            page = people[reader_of(route)]
            page.goto(filled(route.path, mine))
            found = Axe().run(page).response["violations"]
            assert [
                (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in GRAVE
            ] == []


@pytest.mark.parametrize("width", [360, 768, 1024, 1440])
def test_no_page_scrolls_sideways(
    line: CommandLine, sign_in: Callable[..., Page], width: int, subtests: pytest.Subtests
) -> None:
    mine, people = (
        with_nobodys(line, owned(line, 1)),
        readers(sign_in, viewport={"width": width, "height": 640}),
    )
    line.integration("--name", "W" * 100)
    for route in PAGES:
        with subtests.test(route.path):
            page = people[reader_of(route)]
            page.goto(filled(route.path, mine))
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_page_is_read_without_javascript(
    line: CommandLine, sign_in: Callable[..., Page], subtests: pytest.Subtests
) -> None:
    mine, people = with_nobodys(line, owned(line, 1)), readers(sign_in, java_script_enabled=False)
    for route in PAGES:
        with subtests.test(route.path):
            page = people[reader_of(route)]
            answer = page.goto(filled(route.path, mine))
            assert answer is not None
            assert answer.status == 200
            assert page.locator("h1").inner_text()


def test_what_is_hostile_runs_nowhere(
    line: CommandLine, sign_in: Callable[..., Page], subtests: pytest.Subtests
) -> None:
    line.ok("clients", "set", 1, "--name", HOSTILE[:200])
    mine, people = with_nobodys(line, owned(line, 1)), readers(sign_in)
    line.integration("--name", HOSTILE)
    for route in PAGES:
        with subtests.test(route.path):
            page = people[reader_of(route)]
            page.goto(filled(route.path, mine), wait_until="networkidle")
            assert page.locator("img").count() == 0
