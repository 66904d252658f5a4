"""Pictures of each page of the console, in each state, width and theme.

    python -m pictures [--to FOLDER] [--all] [--only WORD]

Data and clock are the same every time. What is kept with the documentation is a choice: each page in trouble, in both
themes and on a phone, and once with nothing. ``--all`` takes them all, for whoever
judges them; ``--only`` those whose name has a word.
"""

import argparse
import base64
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from playwright.sync_api import Browser, BrowserContext, ViewportSize, sync_playwright
from playwright.sync_api import Page as BrowserPage

from pictures.contents import ADMINISTRATOR, AT, FILLS, note_processes
from pictures.pages import Page, pages_of
from wallarm_notify.devstack.past import stop_clock
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.server import free_port
from wallarm_notify.devstack.stack import PATIENCE, READY_SECONDS, Stack
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.devstack.week import DRILL_HOURS, OPERATOR
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.manage_users import list_users
from wallarm_notify.services.sessions import make_sign_in_link
from wallarm_notify.store.migrations import upgrade

Theme = Literal["light", "dark"]

CHROMIUM: Final = "/usr/bin/chromium"
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
HEIGHTS: Final = {1440: 900, 1024: 768, 360: 640}
FOLDER: Final = Path(__file__).parents[1] / "docs" / "console"

QUALITY: Final = 75
"""Of 100: small files whose letters are as sharp as the page's."""

HIGHEST: Final = 1500
"""Pixels from the top that are in a picture: what comes below is more of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is taken: how wide the window is, and in which theme."""

    width: int
    theme: Theme


ALL: Final = tuple(Look(width, theme) for width in HEIGHTS for theme in ("light", "dark"))
CHOSEN: Final = {
    "trouble": (Look(1440, "light"), Look(1440, "dark"), Look(360, "light")),
    "empty": (Look(1024, "light"),),
}
"""What is kept with the documentation, by state."""

CONTENT_OF: Final = {
    "trouble": "week",
    "calm": "week",
    "empty": "empty",
    "long": "long",
    "hostile": "hostile",
}


class Photographer:
    """What takes pictures of one database's pages: a browser for each look and person, made when it is needed."""

    def __init__(self, browser: Browser, stack: Stack, url: str) -> None:
        self._browser = browser
        self._stack = stack
        self._url = url
        self._contexts: dict[tuple[Look, str | None], BrowserContext] = {}

    def take(self, page: Page, look: Look, file: Path) -> None:
        """Take the picture of a page, as high as the page is; none where it leads elsewhere."""
        email = self._email(page) if page.is_known else None
        if (look, email) not in self._contexts:
            self._contexts[look, email] = self._context(look, email)
        context = self._contexts[look, email]
        opened = context.new_page()
        try:
            answer = opened.goto(self._url + page.path, wait_until="networkidle")
            if answer is None or not opened.url.endswith(page.path):
                return
            if not answer.ok or opened.locator("h1").count() != 1:
                print(f"{page.path}: {answer.status}, no page", file=sys.stderr)
                return
            opened.evaluate("document.fonts.ready")
            self._show_whole(opened, look)
            form = {"format": file.suffix[1:], "quality": QUALITY}
            devtools = context.new_cdp_session(opened)
            taken = devtools.send("Page.captureScreenshot", form)
            file.write_bytes(base64.b64decode(taken["data"]))
        finally:
            opened.close()

    def _show_whole(self, opened: BrowserPage, look: Look) -> None:
        """Make the window as high as the page, up to a limit: what is as high as the window is so too."""
        height = opened.evaluate("document.documentElement.scrollHeight")
        size: ViewportSize = {
            "width": look.width,
            "height": max(HEIGHTS[look.width], min(height, HIGHEST)),
        }
        opened.set_viewport_size(size)

    def close(self) -> None:
        """Close its browsers' windows."""
        for one in self._contexts.values():
            one.close()

    def _context(self, look: Look, email: str | None) -> BrowserContext:
        context = self._browser.new_context(
            viewport={"width": look.width, "height": HEIGHTS[look.width]},
            color_scheme=look.theme,
            timezone_id="Europe/Berlin",
            locale="en-GB",
            reduced_motion="reduce",
        )
        context.clock.set_fixed_time(AT)
        if email is not None:
            by = operator("pictures")
            secret = make_sign_in_link(self._stack.wiring.context, by, EVERY_CLIENT, email)
            page = context.new_page()
            page.goto(f"{self._url}/sign-in/{secret.reveal()}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_load_state("networkidle")
            page.close()
        return context

    def _email(self, page: Page) -> str:
        if page.client_id is None:
            return OPERATOR
        people = list_users(
            self._stack.wiring.context, EVERY_CLIENT, client_id=page.client_id, limit=1
        )
        return people.items[0].email if people.items else ADMINISTRATOR


@contextmanager
def serving(
    folder: Path, postgres: EmbeddedPostgres, broker_url: str, content: str
) -> Iterator[tuple[Stack, str]]:
    """Yield an installation with a content, whose clock stands still, and the address of its console."""
    folder.mkdir()
    database_url = postgres.create_database(content)
    upgrade(database_url)
    url = f"http://127.0.0.1:{(port := free_port())}"
    stack = Stack(
        folder,
        pagerduty_url="http://127.0.0.1:1",
        database_url=database_url,
        broker_url=broker_url,
        public_url=url,
        drill_hours=DRILL_HOURS,
    )
    try:
        FILLS[content](stack, database_url)
        stop_clock(database_url, AT)
        note_processes(stack)
        command = [sys.executable, "-m", "pictures.serve", AT.isoformat(), str(port)]
        served = stack.start("serve", command, PYTHONPATH=str(Path(__file__).parents[1]))
        served.wait_for("serving", READY_SECONDS)
        yield stack, url
    finally:
        stack.close(PATIENCE)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", type=Path, default=FOLDER, help="the folder")
    parser.add_argument("--all", action="store_true", help="every state in every width and theme")
    parser.add_argument(
        "--png", action="store_true", help="in PNG, which is several times as large"
    )
    parser.add_argument("--only", default="", help="a part of the names of pictures")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with ExitStack() as parts:
        folder = Path(parts.enter_context(TemporaryDirectory(prefix="wallarm-notify-pictures-")))
        postgres = parts.enter_context(EmbeddedPostgres(settings={"fsync": "off"}))
        broker = parts.enter_context(EmbeddedBroker())
        playwright = parts.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        parts.callback(browser.close)
        chosen = dict.fromkeys(CONTENT_OF, ALL) if options.all else CHOSEN
        for content in sorted({CONTENT_OF[state] for state in chosen}):
            with serving(folder / content, postgres, broker.url, content) as (stack, url):
                photographer = Photographer(browser, stack, url)
                for state, looks in chosen.items():
                    if CONTENT_OF[state] != content:
                        continue
                    names = _named(stack, state, looks, "png" if options.png else "webp")
                    for name, page, look in names:
                        if options.only in name:
                            photographer.take(page, look, options.to / name)
                photographer.close()


def _named(
    stack: Stack, state: str, looks: Iterable[Look], form: str
) -> Iterator[tuple[str, Page, Look]]:
    """Yield each picture of a state: its file's name, its page, and how it is taken."""
    for page in pages_of(stack.environment["WALLARM_NOTIFY_DATABASE_URL"], state):
        for look in looks:
            yield f"{page.name}_{state}_{look.width}-{look.theme}.{form}", page, look


if __name__ == "__main__":
    main()
