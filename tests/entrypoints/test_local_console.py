"""``wallarm-notify console``: it is there, it can be signed in to, it ends, and it comes again with what it had."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from wallarm_notify.devstack import kept
from wallarm_notify.devstack.kept_folder import marker_of
from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.week import CALM
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import may
from wallarm_notify.entrypoints.console.app import page_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONSOLE = [str(Path(sys.executable).parent / "wallarm-notify"), "console", "--port", "0"]
PAGES = [one for one in page_routes() if "GET" in (one.methods or ()) and one.path.count("{") == 0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL reaches, under whatever account it runs."""
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-console-") as made:
        path = Path(made)
        path.chmod(0o711)
        yield path


@dataclass
class Running:
    """A console that runs: its process, and the links that it printed."""

    process: subprocess.Popen[str]
    links: list[str]

    def signed_in(self, number: int) -> requests.Session:
        """Return a browser that has signed in by a link."""
        session = requests.Session()
        page = session.get(self.links[number], timeout=30)
        assert "Sign in" in page.text
        done = session.post(
            self.links[number],
            data={"nothing": ""},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=30,
        )
        assert done.status_code == 200, done.text
        return session

    @property
    def url(self) -> str:
        return self.links[0].partition("/sign-in/")[0]

    def end(self, number: signal.Signals) -> str:
        """End it by a signal; return the rest of what it printed."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        return rest


@contextmanager
def console(folder: Path, *words: str) -> Iterator[Running]:
    with subprocess.Popen(
        [*CONSOLE, "--folder", str(folder / "state"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "another terminal" in line:
                    break
            links = re.findall(r"http://\S+/sign-in/\S+", "".join(lines))
            assert len(links) == 2, "".join(lines)
            yield Running(process, links)
        finally:
            process.kill()


@pytest.mark.timeout(400)
def test_the_console_is_signed_in_to_ends_in_order_and_comes_again_with_what_it_had(
    folder: Path, stray: Callable[[], list[str]]
) -> None:
    with console(folder) as first:
        operator, administrator = first.signed_in(0), first.signed_in(1)
        for route in PAGES:
            right = route.right
            for role, person in ((Role.OPERATOR, operator), (Role.ADMINISTRATOR, administrator)):
                answer = person.get(first.url + route.path, timeout=30)
                may_see = right.thing is None or may(role, right.thing, right.verb)
                assert answer.status_code == (200 if may_see else 403), (route.path, role)
        page = operator.get(f"{first.url}/integrations?client_id={CALM}", timeout=30)
        assert "Platform team" in page.text
        listed = subprocess.run(
            [CONSOLE[0], "integrations", "list", "--client", str(CALM)],
            env=os.environ | {"WALLARM_NOTIFY_ENV_FILE": str(folder / "state" / "settings")},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ("Platform team" in listed.stdout, listed.stderr) == (True, "")
        rest = first.end(signal.SIGTERM)
    assert first.process.returncode == 0, rest
    assert "nothing is left running" in rest
    assert "Traceback" not in rest
    assert stray() == []
    assert [one.name for one in folder.iterdir()] == ["state"]
    assert not (folder / "state" / "settings").exists()

    with console(folder) as second:
        assert set(first.links).isdisjoint(second.links)
        page = second.signed_in(0).get(f"{second.url}/integrations?client_id={CALM}", timeout=30)
        assert "Platform team" in page.text
        rest = second.end(signal.SIGINT)
    assert second.process.returncode == 0, rest
    assert stray() == []


def test_what_was_not_filled_to_its_end_and_what_is_asked_for_anew_are_made_anew(
    folder: Path,
) -> None:
    state = folder / "state"
    state.mkdir()
    assert kept._prepare(state, fresh=False)
    first = (state / "secret_keys").read_text()
    assert (state / "secret_keys").stat().st_mode & 0o077 == 0
    assert kept._prepare(state, fresh=False), "nothing says that it was filled"
    (state / "filled").touch()
    kept_key = (state / "secret_keys").read_text()
    assert kept_key != first
    assert not kept._prepare(state, fresh=False)
    assert (state / "secret_keys").read_text() == kept_key
    assert kept._prepare(state, fresh=True)
    assert (state / "secret_keys").read_text() != kept_key


@pytest.mark.parametrize("name", ["database", "secret_keys"])
def test_what_another_program_has_in_the_folder_is_not_touched(folder: Path, name: str) -> None:
    theirs = folder / name
    theirs.mkdir()
    (theirs / "kept").touch()
    with pytest.raises(CannotStart, match="that is not of a console"), kept.alone(folder):
        pass
    assert (theirs / "kept").exists()
    assert not (folder / marker_of("console")).exists()


def test_a_folder_that_another_console_uses_is_refused_and_free_once_that_has_ended(
    folder: Path,
) -> None:
    with kept.alone(folder):
        with pytest.raises(CannotStart, match="Another console uses"), kept.alone(folder):
            pass
        (folder / "database").mkdir()
    with kept.alone(folder):
        assert (folder / "database").exists()


def test_a_folder_that_postgresql_does_not_reach_is_refused_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "state").mkdir()
    with pytest.raises(CannotStart, match="name another folder"):
        kept._prepare(folder / "closed" / "state", fresh=False)
