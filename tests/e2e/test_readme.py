"""The README's "Setting up", followed from top to bottom in a fresh folder, as somebody would who has nothing else."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from build import eventually
from documents import ROOT, read

from e2e.terminals import fresh_checkout, lines_of, terminals

if TYPE_CHECKING:
    from collections.abc import Callable

SECTION: Final = r"^## {}\n(.*?)^## "

READY: Final = {
    "make sandbox": "http://127.0.0.1:",
    "make worker": "retries@",
    "make beat": "beat: Starting",
    "make flower": "Flower at ",
    "make serve": "The API at ",
    "make up": "All parts run.",
}
"""What each line for a terminal of its own prints once it runs."""

FOR_A_TERMINAL_OF_ITS_OWN: Final = tuple(READY)


def section(title: str) -> str:
    """Return a section of README."""
    found: str
    (found,) = re.findall(SECTION.format(title), read(ROOT / "README.md"), re.MULTILINE | re.DOTALL)
    return found


def is_ready(port: str) -> bool:
    """Return whether every part is there, as the API has it."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            return bool(answer.status == 200)
    except HTTPError:
        return False


@pytest.mark.timeout(600)
@pytest.mark.demo
def test_each_line_works_in_its_order_on_a_machine_without_any_setting(
    tmp_path: Path, make_database: Callable[[], str], broker: str
) -> None:
    with terminals(fresh_checkout(tmp_path / "checkout"), READY) as opened:
        meant = {
            "postgresql://notify@db.example/notify": make_database(),
            "redis://broker.example:6379/0": broker,
            "127.0.0.1:8088": f"127.0.0.1:{opened.environment['PORT']}",
        }
        printed = {}
        for line in lines_of(section("Setting up")):
            for there, here in meant.items():
                line = line.replace(there, here)  # noqa: PLW2901 - as the reader writes it
            if line.startswith(FOR_A_TERMINAL_OF_ITS_OWN):
                opened.open(line)
            else:
                printed[line.partition("  #")[0].strip()] = opened.run(line)
        assert (opened.folder / ".env").stat().st_mode & 0o077 == 0
        assert "3 of 3 test alerts were taken." in printed["wallarm-notify integrations test 1"]
        assert "It balances." in printed["wallarm-notify ledger"]
        assert set(opened.running) == set(FOR_A_TERMINAL_OF_ITS_OWN) - {"make up"}
        # What the lines have set up is one system: the integration is notified of its own disabling.
        listing = "wallarm-notify notifications list --client 1"
        eventually(lambda: "Accepted" in opened.run(listing), 60, "a delivery by make worker")
        with urlopen(f"http://127.0.0.1:{opened.environment['FLOWER_PORT']}/tasks") as page:
            assert page.status == 200
        eventually(
            lambda: is_ready(opened.environment["API_PORT"]), 60, "all parts, as the API sees them"
        )
        assert not [name for name, process in opened.running.items() if process.has_ended()]


@pytest.mark.timeout(600)
@pytest.mark.demo
def test_all_of_it_comes_up_by_one_line_and_says_where_it_is() -> None:
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-checkout-") as made:
        # PostgreSQL reaches it, which does not run as root.
        Path(made).chmod(0o711)
        with terminals(fresh_checkout(Path(made) / "checkout"), READY) as opened:
            (line,) = lines_of(section("All of it on this machine"))
            opened.open(line)
            assert (opened.folder / ".env").stat().st_mode & 0o077 == 0
            port, flower = (opened.environment[name] for name in ("API_PORT", "FLOWER_PORT"))
            printed = opened.running["make up"].text()
            assert f"Console and API: http://127.0.0.1:{port}\n" in printed
            assert f"Flower: http://127.0.0.1:{flower}\n" in printed
            (export,) = re.findall(r"export \S+/settings.env", printed)
            opened.run(export)
            link_made = opened.run(".venv/bin/wallarm-notify users sign-in operator@localhost")
            (link,) = re.findall(r"http://\S+/sign-in/\S+", link_made)
            with urlopen(link) as page:
                assert page.status == 200
            eventually(lambda: is_ready(port), 60, "all parts, as the API sees them")
