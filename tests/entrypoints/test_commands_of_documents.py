"""Every command that a document prints is run as it stands, or is in a short list that says who runs it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click
import pytest
from build import an_attack, an_event
from documents import DOCS, DOCUMENTS, ROOT, block, blocks, code, name_of, read

from entrypoints.api.http_api import served
from entrypoints.command_line import KEY
from entrypoints.test_odd_arguments import command_of
from wallarm_notify.domain.actor import Role
from wallarm_notify.entrypoints.cli.output import PROGRAM
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.server import Sandbox

FOLLOWED: Final = {
    "README.md": "tests/e2e/test_readme.py",
    "docs/tutorial.md": "tests/e2e/test_tutorial.py",
    "docs/how-to/produce-events.md": "tests/e2e/test_produce_events_page.py",
    "docs/reference/commands.md": "tests/test_reference.py",
}
"""Documents that another test follows or makes, command by command."""

GO_ON: Final = {
    "wallarm-notify console": "tests/entrypoints/test_local_console.py",
    "wallarm-notify demo": "tests/entrypoints/test_demo.py",
    "wallarm-notify flower": "tests/e2e/test_flower.py",
    "wallarm-notify metrics --port": "tests/entrypoints/test_cli_hosts.py",
    "wallarm-notify sandbox": "tests/entrypoints/test_cli_hosts.py",
    "wallarm-notify serve": "tests/e2e/test_api.py",
    "wallarm-notify up": "tests/entrypoints/test_local_installation.py",
}
"""Commands that go on until they are stopped, and the tests that start them."""

OTHER_PROGRAMS: Final = {
    "make": "a target takes minutes, and CI makes those that check; tests/test_documents.py finds one that is missing",
    ".venv/bin/pytest": "it is what runs this; the paths are looked for below",
    ".venv-mutants/bin/mutmut": "its environment takes minutes to make",
    "rabbitmqctl": "tests/e2e/test_least_privilege_rabbitmq.py runs them",
    "celery": "tests/e2e start workers and beat so",
    "curl": "run below",
    "pg_restore": "tests/e2e/test_restore.py runs it",
    "vacuumdb": "tests/e2e/test_restore.py runs it",
    "createuser": "needs a PostgreSQL of the machine",
    ".venv/bin/wallarm-notify": "as wallarm-notify",
}
"""Other programs that begin a line, and why these lines are not run as those of ours."""

ASSIGNS: Final = re.compile(r"[a-zA-Z_]+=.*")
IDS: Final = {
    "integrations": "integration",
    "integrations enable": "disabled",
    "triggers": "trigger",
    "notifications": "notification",
    "tokens": "token",
    "tokens disable": "unneeded",
    "users": "user",
    "events show": "event",
}
"""Commands whose argument is the id of a thing, and which thing."""

FINDS_NO_WORKER: Final = {"doctor"}
"""Commands that end with 1, as no worker runs here."""

MORE_THAN_A_NAME: Final = {("events", "emit"), ("triggers", "simulate")}
"""Commands that need something, though none of their arguments alone is required."""


def lines_in(text: str) -> list[str]:
    """Return the commands of a text: lines of its blocks, and what stands as code within its lines."""
    joined = [one.replace("\\\n", "") for one in blocks(text)]
    return [line.strip() for one in joined for line in one.splitlines()] + code(text)


def ours_in(document: Path) -> list[list[str]]:
    """Return the words of each command of ours in a document that ends by itself."""
    lines = (
        line.partition(" #")[0].replace("…", "").strip()
        for line in lines_in(read(document))
        if line.startswith(f"{PROGRAM} ")
    )
    kept = [line for line in dict.fromkeys(lines) if not line.startswith(tuple(GO_ON))]
    return [words for line in kept if not is_mention(words := shlex.split(line)[1:])]


def path_in(words: list[str]) -> tuple[str, ...]:
    """Return the words that name the command."""
    for length in range(1, len(words) + 1):
        command = command_of(tuple(words[:length]))
        if not isinstance(command, click.Group):
            return tuple(words[:length])
    return tuple(words)


def is_mention(words: list[str]) -> bool:
    """Return whether a command is only named: a group, or one without the arguments that it needs."""
    command = command_of(path := path_in(words))
    needs = any(p.required for p in command.params) or path in MORE_THAN_A_NAME
    return isinstance(command, click.Group) or (needs and len(words) == len(path))


DOCUMENTS_WITH_OURS: Final = [
    pytest.param(one, id=name_of(one))
    for one in DOCUMENTS
    if name_of(one) not in FOLLOWED and one.name != "CHANGELOG.md" and ours_in(one)
]


@pytest.fixture
def ids(line: CommandLine) -> Mapping[str, str]:
    """Fill a database with one of everything that documents name; return the ids by kind."""
    integration = line.integration("--subscribe", "security_issue,system", "--name", "SOC")
    disabled = line.integration("--subscribe", "system", "--disabled")
    trigger = line.json(
        *("triggers", "create", "--client", 1, "--condition", "attacks_exceeded"),
        *("--threshold", "30 in 1h", "--integration", integration),
    )
    event = an_event(occurred_at=datetime.now(UTC).isoformat())
    ingest(line.wiring.context, [event, an_attack()], [])
    line.end_all("failed")
    person = ("--email", "kept@example.com", "--name", "Kept", "--role", "admin")
    user = line.json("users", "create", "--client", 1, *person)
    ops = ("--email", "operator@localhost", "--name", "Operator", "--role", "operator")
    line.ok("users", "create", "--all-clients", *ops)
    token, unneeded = (
        line.json("tokens", "create", "--client", 1, "--role", "auditor")["id"] for _ in range(2)
    )
    (notification, *_) = line.json("notifications", "list", "--state", "failed")["items"]
    return {
        "integration": str(integration),
        "disabled": str(disabled),
        "trigger": str(trigger["id"]),
        "notification": str(notification["id"]),
        "token": str(token),
        "unneeded": str(unneeded),
        "user": str(user["id"]),
        "event": str(event.id),
    }


def filled_in(words: list[str], ids: Mapping[str, str], folder: Path) -> list[str]:
    """Return a command with the ids of things that are there for the numbers and ``ID`` of the document."""
    path = path_in(words)
    kind = IDS.get(" ".join(path)) or IDS.get(path[0], "")
    file = folder / "events.jsonl"
    file.write_bytes((ROOT / "wallarm_notify" / "samples" / "events.jsonl").read_bytes())
    # Nobody starts a worker here, for which doctor would wait.
    known = {"N": "1", "FILE": str(file), "2m": "0"}
    filled = [known.get(word, word) for word in words]
    at = len(path)
    if kind in ids and len(words) > at and re.fullmatch(r"ID|\d+|[0-9a-f-]{36}", words[at]):
        filled[at] = ids[kind]
    for option, number in (("--client", "1"), ("--integration", ids["integration"])):
        if option in filled:
            filled[filled.index(option) + 1] = number
    return filled


@pytest.mark.parametrize("document", DOCUMENTS_WITH_OURS)
def test_every_command_of_ours_in_a_document_does_its_work(
    line: CommandLine, ids: Mapping[str, str], document: Path, tmp_path: Path
) -> None:
    for words in ours_in(document):
        done = line(*filled_in(words, ids, tmp_path), stdin=f"{KEY}\n")
        expected = 1 if words[0] in FINDS_NO_WORKER else 0
        assert done.exit_code == expected, f"{' '.join(words)}\n{done.output}"


def run_by_shell(script: str, folder: Path) -> str:
    """Run lines of curl, of which one that is answered with an error ends them; return what they print."""
    (folder / ".curlrc").write_text("fail-with-body\n")
    done = subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, "CURL_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def replaced(script: str, there: Mapping[str, str]) -> str:
    for one, other in there.items():
        assert one in script, one
        script = script.replace(one, other)
    return script


def test_every_call_of_the_api_page_is_served(
    line: CommandLine, ids: Mapping[str, str], tmp_path: Path
) -> None:
    page = "docs/api.md"
    script = block(page, "api=http://") + block(page, 'curl -s -H "$token" "$api/computations')
    assert script.count("curl ") == sum(one.count("curl ") for one in blocks(read(ROOT / page)))
    with served(line) as api:
        yesterday, tomorrow = (
            f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (-1, 1)
        )
        script = replaced(
            script,
            {
                "http://127.0.0.1:8000": api.url,
                "X-WallarmApi-Token: …": f"X-WallarmApi-Token: {api.token(Role.ADMINISTRATOR)}",
                '"key": "…"': f'"key": "{KEY}"',
                "7b0c6a52-0001-4000-8000-00000000000a": ids["event"],
                "[1200, 1201]": f"[{ids['notification']}]",
                "notifications/1200": f"notifications/{ids['notification']}",
                "2026-03-01T00:00:00Z": yesterday,
                "2026-03-02T06:00:00Z": tomorrow,
            },
        )
        printed = run_by_shell(script, tmp_path)
    assert '"percent"' in printed


def test_every_call_of_the_sandbox_page_is_answered(
    sandbox_at: Callable[[str], str], tmp_path: Path
) -> None:
    calls = [one for one in blocks(read(DOCS / "sandbox.md")) if "curl " in one]
    printed = run_by_shell(sandbox_at("\n".join(calls)), tmp_path)
    assert '"Event processed"' in printed
    assert '{"forgotten":true}' in printed


@pytest.fixture
def sandbox_at(pagerduty: Sandbox) -> Callable[[str], str]:
    """Return what replaces the sandbox of the page by one that runs."""
    return lambda script: replaced(script, {"http://127.0.0.1:8100": pagerduty.url})


def programs_in(lines: str) -> list[str]:
    """Return the first word of each command of a block, whose quotes may go on over lines."""
    found, waiting = [], ""
    for line in lines.replace("\\\n", "").splitlines():
        waiting += f"{line}\n"
        try:
            words = shlex.split(waiting, comments=True)
        except ValueError:
            continue
        waiting = ""
        if words and not ASSIGNS.fullmatch(words[0]):
            found.append(words[0])
    return found


def test_every_line_of_a_block_of_commands_is_run_by_somebody() -> None:
    known = {PROGRAM, *OTHER_PROGRAMS}
    unknown = {
        f"{name_of(document)}: {program}"
        for document in DOCUMENTS
        if name_of(document) not in FOLLOWED
        for one in blocks(read(document))
        if any(line.split(" ")[0] in known for line in one.splitlines())
        for program in programs_in(one)
        if program not in known
    }
    assert not unknown, "run it here, or say in OTHER_PROGRAMS who does"


def test_every_place_that_a_document_gives_pytest_is_there() -> None:
    named = {
        word
        for document in DOCUMENTS
        for line in lines_in(read(document))
        if line.startswith(".venv/bin/pytest ")
        for word in shlex.split(line.partition(" #")[0])
        if word.startswith("tests")
    }
    assert named
    assert not [one for one in named if not (ROOT / one).exists()]


@pytest.mark.parametrize("path", [*FOLLOWED.values(), *GO_ON.values()])
def test_the_test_that_runs_it_is_there(path: str) -> None:
    assert (ROOT / path).exists()
