"""The console in Debian's Chromium, on a real database, broker and sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from entrypoints.api.conftest import api
from entrypoints.conftest import line, pagerduty, quiet_logging, sandbox
from entrypoints.console.web import link_for
from playwright.sync_api import Browser, Page, expect, sync_playwright

from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from entrypoints.api.http_api import HttpApi

__all__ = ["api", "line", "pagerduty", "quiet_logging", "sandbox"]

CHROMIUM: Final = "/usr/bin/chromium"
PATIENCE: Final = 60_000
"""Milliseconds until something is to be seen, as the machine may be busy."""

ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test of this folder: it needs a browser."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE
        )
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(chromium: Browser, api: HttpApi) -> Iterator[Callable[..., Page]]:
    """Sign somebody new in by a link; nothing that a page loads or runs may fail, or be forbidden by the policy."""
    faults: list[str] = []
    opened = []

    def signed_in(role: Role = Role.ADMINISTRATOR, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=api.url, timezone_id="Europe/Berlin", reduced_motion="reduce", **options
        )
        context.set_default_timeout(PATIENCE)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda message: faults.append(message.text) if message.type == "error" else None,
        )
        page.on("dialog", lambda dialog: faults.append(f"a script ran: {dialog.message}"))
        page.goto(link_for(api, role))
        page.get_by_role("button", name="Sign in").click()
        # A page that is asked for before would take the place of this.
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    yield signed_in
    for context in opened:
        context.close()
    assert faults == []
