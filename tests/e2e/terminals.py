"""Terminals of somebody who does what a document says, in a fresh copy of the project."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from build import a_key
from documents import ROOT, blocks

from wallarm_notify.devstack.processes import Process, end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HELD_FROM_THEN_ON: Final = (". ", "umask ", "export ")
"""How lines begin whose effect lasts as long as a terminal."""


def lines_of(text: str) -> list[str]:
    """Return the lines of the blocks of commands in their order, continued ones as one."""
    return [line for one in blocks(text) for line in one.replace("\\\n", "").splitlines()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def fresh_checkout(folder: Path) -> Path:
    """Return a fresh copy of the project; what `make setup` installs, which takes minutes, counts as new."""
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
    """Terminals in one folder, each without any setting of ours: the first, and others for what goes on running.

    ``ready`` has what each line for a terminal of its own prints once it runs.
    """

    def __init__(self, folder: Path, ready: Mapping[str, str]) -> None:
        self.folder = folder
        self.ready = ready
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WALLARM_NOTIFY_")}
        ports = {name: str(free_port()) for name in ("PORT", "FLOWER_PORT", "API_PORT")}
        self.environment = {**kept, **ports, "COLUMNS": "100"}
        self.key = a_key().reveal()
        """What is typed where a command asks."""
        self.before = ""
        self.running: dict[str, Process] = {}

    def run(self, line: str) -> str:
        """Run a line in the first terminal, where what was exported and activated before holds."""
        if line.startswith(HELD_FROM_THEN_ON):
            self.before += f"{line}\n"
        done = subprocess.run(
            ["bash", "-c", f"{self.before}{line}"],
            cwd=self.folder,
            env=self.environment,
            input=f"{self.key}\n",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        # Said by `fail`, as a failed assertion shows the ends of a text alone.
        if done.returncode != 0 or "Traceback" in done.stderr:
            pytest.fail(f"{line}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def open(self, line: str) -> Process:
        """Run a line in a new terminal; return it once it says that it runs."""
        name = line.partition("#")[0].strip()
        process = Process(
            ["bash", "-c", f"exec {name}"],
            self.folder / f"{name.split()[1]}.log",
            environ=self.environment,
            folder=self.folder,
        )
        self.running[name] = process
        process.wait_for(self.ready[name], 240)
        return process


@contextmanager
def terminals(folder: Path, ready: Mapping[str, str]) -> Iterator[Terminals]:
    """Yield terminals in a folder, and end what runs in them."""
    made = Terminals(folder, ready)
    try:
        yield made
    finally:
        end(list(made.running.values()), 30)
