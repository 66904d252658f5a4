"""The releases since 1.0.0, and their programs out of this repository's history."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[1]

RELEASES: Final = {"1.0.0": "0013"}
"""The newest revision of the schema that each release knows, by its version."""

MIGRATIONS: Final = "wallarm_notify/store/migrations/versions/"


COMMAND: Final = "from wallarm_notify.entrypoints.cli import main; main()"


class NoHistory(Exception):
    """The history of this checkout has no program of a release; the text says what to do."""


def named_in_the_changelog() -> list[str]:
    """Return the versions that the changelog names, from 1.0.0 on, the oldest first."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    named = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    return [version for version in reversed(named) if not version.startswith("0.")]


@dataclass(frozen=True)
class Program:
    """A program of a release, in a folder of its own; it runs with the packages of this checkout."""

    version: str
    commit: str
    folder: Path

    def command(self, environ: Mapping[str, str], *words: str, stdin: str = "") -> str:
        """Return what its ``wallarm-notify`` prints; it has to end well."""
        done = self.python(environ, "-c", COMMAND, *words, stdin=stdin)
        return done.stdout

    def python(
        self, environ: Mapping[str, str], *words: str, stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Return the result of a Python that has its modules, run to its end; fail where that is a bad one."""
        done = subprocess.run(
            [sys.executable, *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environ(environ),
            timeout=120,
            check=False,
        )
        assert not (check and done.returncode), done.stderr
        return done

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which its modules are found before those of this checkout."""
        return {**environ, "PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}


def program_of(version: str, folder: Path) -> Program:
    """Return the program of a release, written into ``folder``. Raise NoHistory."""
    commit = commit_of(version)
    packed = subprocess.run(
        ["git", "archive", commit, "wallarm_notify", "tasks", "celeryconfig.py"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return Program(version, commit, folder)


def commit_of(version: str) -> str:
    """Return the commit of a release: the one that gave it its heading in the changelog.

    Where that one knows a newer schema than the release did, it brought what came after the release too; then it is
    the commit before it. Raise NoHistory.
    """
    if _git("rev-parse", "--is-shallow-repository") != "false":
        raise NoHistory(
            f"The program of {version} is to be taken from the history of this repository, and this checkout has "
            "none or only a part of it. Run the tests in a full clone: git fetch --unshallow"
        )
    search = ("log", "--reverse", "--format=%H", f"-S## [{version}]", "--", "CHANGELOG.md")
    commit, _, _ = _git(*search).partition("\n")
    if not commit:
        raise NoHistory(f"No commit of this repository's history gave the changelog a {version}.")
    if newest_of(commit) > int(RELEASES[version]):
        commit = _git("rev-parse", "--verify", "--quiet", f"{commit}^")
    if not commit:
        raise NoHistory(f"The history of this repository begins after {version}.")
    return commit


def newest_of(commit: str) -> int:
    """Return the newest revision of the schema that the program of a commit knows."""
    names = _git("ls-tree", "--name-only", commit, MIGRATIONS).splitlines()
    return max(int(Path(name).name.partition("_")[0]) for name in names if name.endswith(".py"))


def _git(*words: str) -> str:
    """Return what git prints; nothing where it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
