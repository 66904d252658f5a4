"""docs/tutorial.md, followed from top to bottom in a fresh folder, as somebody would who has nothing else."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests
from build import eventually
from documents import DOCS, read

from e2e.terminals import fresh_checkout, lines_of, terminals

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSOLE: Final = "make console"
READY: Final = {CONSOLE: "another terminal"}
LISTING: Final = "wallarm-notify notifications list --client 900"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL reaches, under whatever account it runs."""
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-tutorial-") as made:
        path = Path(made)
        path.chmod(0o711)
        yield path


def signed_in(link: str) -> requests.Session:
    """Return a browser that has signed in by a link."""
    session = requests.Session()
    headers = {"Sec-Fetch-Site": "same-origin"}
    done = session.post(link, data={"nothing": ""}, headers=headers, timeout=30)
    assert done.status_code == 200, done.text
    return session


@pytest.mark.timeout(600)
@pytest.mark.demo
def test_each_line_works_in_its_order_and_ends_in_two_alerts_that_the_console_shows(
    folder: Path,
) -> None:
    printed: dict[str, str] = {}
    integration = ""
    accepted = iter((1, 2))
    with terminals(fresh_checkout(folder / "checkout"), READY) as opened:
        for line in lines_of(read(DOCS / "tutorial.md")):
            done = line.replace("INTEGRATION", integration)
            if line == CONSOLE:
                console = opened.open(line)
                continue
            printed[line] = opened.run(done)
            if line.startswith("wallarm-notify integrations create"):
                (integration,) = re.findall(r"^ID +(\d+)$", printed[line], re.MULTILINE)
            if line == LISTING:
                number = next(accepted)
                eventually(lambda: opened.run(LISTING).count("Accepted") == number, 60, str(number))  # noqa: B023 - at once
        assert next(accepted, None) is None
        assert "counted" in printed["wallarm-notify events list --client 900"]
        text = console.text()
        (alerts,) = re.findall(r"http://\S+/sandbox/alerts", text)
        listed = requests.get(alerts, params={"key": opened.key}, timeout=30).json()["items"]
        assert ["Critical issue" in one["summary"] for one in listed] == [True, False]
        operator, _ = re.findall(r"http://\S+/sign-in/\S+", text)
        page = signed_in(operator).get(
            f"{operator.partition('/sign-in/')[0]}/notifications?client_id=900", timeout=30
        )
        assert page.text.count("Accepted by PagerDuty") >= 2
        assert not console.has_ended()
