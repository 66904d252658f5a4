"""The README's "Setting up", followed from top to bottom in a fresh folder, as somebody would who has nothing else."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from build import a_key, eventually
from documents import ROOT, read

from wallarm_notify.devstack.processes import Process, end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECTION: Final = r"^## {}\n(.*?)^## "
BLOCK: Final = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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


def lines_of(text: str, title: str) -> list[str]:
    """Return the lines of a section's blocks in their order, continued ones as one."""
    (section,) = re.findall(SECTION.format(title), text, re.MULTILINE | re.DOTALL)
    return [
        line for block in BLOCK.findall(section) for line in block.replace("\\\n", "").splitlines()
    ]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A fresh copy of the project; what `make setup` installs, which takes minutes, is there and counts as new.

    PostgreSQL reaches it, which does not run as root.
    """
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-checkout-") as made:
        Path(made).chmod(0o711)
        yield copied_to(Path(made) / "checkout")


def copied_to(folder: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            os.utime(target, (0, 0))
    (folder / ".venv").symlink_to(ROOT / ".venv", target_is_directory=True)
    return folder


class Terminals:
    """Terminals in one folder, each without any setting of ours: the first, and others for what goes on running."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WALLARM_NOTIFY_")}
        self.environment = {**kept, **ports, "COLUMNS": "100"}
        self.before = ""
        self.running: dict[str, Process] = {}

    def run(self, line: str) -> str:
        """Run a line in the first terminal, where what was exported and activated before holds."""
        if line.startswith((". ", "umask ")):
            self.before += f"{line}\n"
        done = subprocess.run(
            ["bash", "-c", f"{self.before}{line}"],
            cwd=self.folder,
            env=self.environment,
            input=f"{a_key().reveal()}\n",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        # Said by `fail`, as a failed assertion shows the ends of a text alone.
        if done.returncode != 0 or "Traceback" in done.stderr:
            pytest.fail(f"{line}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def open(self, line: str) -> None:
        """Run a line in a new terminal, and wait until it says that it runs."""
        name = line.partition("#")[0].strip()
        process = Process(
            ["bash", "-c", f"exec {name}"],
            self.folder / f"{name.split()[1]}.log",
            environ=self.environment,
            folder=self.folder,
        )
        self.running[name] = process
        process.wait_for(READY[name], 120)


@pytest.fixture
def terminals(checkout: Path) -> Iterator[Terminals]:
    ports = {name: str(free_port()) for name in ("PORT", "FLOWER_PORT", "API_PORT")}
    made = Terminals(checkout, ports)
    yield made
    end(list(made.running.values()), 30)


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
    terminals: Terminals, make_database: Callable[[], str], broker: str
) -> None:
    meant = {
        "postgresql://notify@db.example/notify": make_database(),
        "redis://broker.example:6379/0": broker,
        "127.0.0.1:8088": f"127.0.0.1:{terminals.environment['PORT']}",
    }
    text = read(ROOT / "README.md")
    printed = {}
    for line in lines_of(text, "Setting up"):
        for there, here in meant.items():
            line = line.replace(there, here)  # noqa: PLW2901 - as the reader writes it
        if line.startswith(FOR_A_TERMINAL_OF_ITS_OWN):
            terminals.open(line)
        else:
            printed[line.partition("  #")[0].strip()] = terminals.run(line)
    assert (terminals.folder / ".env").stat().st_mode & 0o077 == 0
    assert "3 of 3 test alerts were taken." in printed["wallarm-notify integrations test 1"]
    assert "It balances." in printed["wallarm-notify ledger"]
    assert set(terminals.running) == set(FOR_A_TERMINAL_OF_ITS_OWN) - {"make up"}
    # What the lines have set up is one system: the integration is notified of its own disabling.
    listing = "wallarm-notify notifications list --client 1"
    eventually(lambda: "Accepted" in terminals.run(listing), 60, "a delivery by make worker")
    with urlopen(f"http://127.0.0.1:{terminals.environment['FLOWER_PORT']}/tasks") as page:
        assert page.status == 200
    eventually(
        lambda: is_ready(terminals.environment["API_PORT"]), 60, "all parts, as the API sees them"
    )
    assert not [name for name, process in terminals.running.items() if process.has_ended()]


@pytest.mark.timeout(600)
@pytest.mark.demo
def test_all_of_it_comes_up_by_one_line_and_says_where_it_is(terminals: Terminals) -> None:
    (line,) = lines_of(read(ROOT / "README.md"), "All of it on this machine")
    terminals.open(line)
    assert (terminals.folder / ".env").stat().st_mode & 0o077 == 0
    port = terminals.environment["API_PORT"]
    printed = terminals.running["make up"].text()
    assert f"Console and API: http://127.0.0.1:{port}\n" in printed
    assert f"Flower: http://127.0.0.1:{terminals.environment['FLOWER_PORT']}\n" in printed
    (link,) = re.findall(r"http://\S+/sign-in/\S+", printed)
    with urlopen(link) as page:
        assert page.status == 200
    eventually(lambda: is_ready(port), 60, "all parts, as the API sees them")
