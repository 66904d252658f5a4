"""Every command but ``db upgrade`` does its work with the database role of docs/how-to/least-privilege.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from documents import DOCS, read
from privileges import as_role, as_user, documented_broker, documented_postgres, refusals
from sqlalchemy import NullPool, create_engine, text

from entrypoints.command_line import KEY, CommandLine
from entrypoints.conftest import command_line
from entrypoints.test_cli_program import every_command
from wallarm_notify.schemas.read import read_call
from wallarm_notify.services.follow_clock import follow_clock
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.prune import prune
from wallarm_notify.services.review import review
from wallarm_notify.services.sweep import sweep as run_sweep
from wallarm_notify.services.take_in_ahead import take_in_ahead
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wallarm_notify.devstack.valkey import EmbeddedBroker
    from wallarm_notify.sandbox.server import Sandbox

NO_DATABASE = {"cloud-ips", "console", "demo", "flower", "sandbox", "secrets generate", "serve", "up"} | {
    "events emit", "events schema", "events types", "triggers conditions"
}  # fmt: skip
"""Commands that need no database, or go on until they are ended; the API has tests of its own."""


ANA = ("--email", "ana@example.com", "--name", "Ana", "--role", "admin")

REVOKED = "REVOKE UPDATE ON activity FROM notify"
"""The statement that docs/how-to/least-privilege.md offers as an option."""


def as_owner(url: str, statement: str) -> None:
    engine = create_engine(as_role(url, "notify_owner"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_the_page_has_the_statement_that_revokes_a_right_here() -> None:
    assert f"`{REVOKED}`" in read(DOCS / "how-to" / "least-privilege.md")


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedBroker]:
    with documented_broker() as server:
        yield server


@pytest.fixture
def confined(
    valkey: EmbeddedBroker,
    pagerduty: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    quiet_logging: None,
) -> Iterator[CommandLine]:
    """The command line with the documented role and user."""
    with documented_postgres() as postgres:
        as_owner(postgres.url, REVOKED)
        yield from command_line(
            {
                "WALLARM_NOTIFY_DATABASE_URL": as_role(postgres.url, "notify"),
                "WALLARM_NOTIFY_BROKER_URL": as_user(valkey.url, "worker"),
                "WALLARM_NOTIFY_PAGERDUTY_US_URL": pagerduty.url,
                "WALLARM_NOTIFY_PAGERDUTY_EU_URL": pagerduty.url,
                "WALLARM_NOTIFY_SECRET_KEYS": generate(),
            },
            monkeypatch,
        )


def leaves() -> set[str]:
    paths = {" ".join(path) for path in every_command()}
    return {path for path in paths if not any(other.startswith(f"{path} ") for other in paths)}


def test_every_command_and_upkeep_task_works_with_rights_on_rows_alone(
    confined: CommandLine, valkey: EmbeddedBroker
) -> None:
    ingest(confined.wiring.context, *read_call([[{"type": "no such type"}]], {}))
    event_id = str(uuid4())
    mended = json.dumps(
        {
            "id": event_id,
            "type": "user.created",
            "client_id": 1,
            "occurred_at": "2026-03-01T12:00:00+00:00",
            "user_name": "A Name",
            "user_email": "a.name@example.com",
            "user_role": "admin",
        }
    )
    done: list[tuple[str, list[object], str]] = [
        ("integrations create", ["--client", 1, "--key", "-", "--subscribe", "system"], f"{KEY}\n"),
        ("integrations list", [], ""),
        ("integrations show", [1], ""),
        ("integrations update", [1, "--name", "renamed", "--key", "-"], f"{KEY}\n"),
        ("integrations test", [1], ""),
        ("integrations drill", [1], ""),
        ("integrations explain", [1], ""),
        ("integrations hours", [1], ""),
        ("integrations disable", [1], ""),
        ("integrations enable", [1], ""),
        ("triggers create", ["--client", 1, "--condition", "user_created", "--integration", 1], ""),
        ("triggers list", [], ""),
        ("triggers show", [1], ""),
        ("triggers update", [1, "--name", "renamed"], ""),
        ("triggers simulate", [1, "--since", "1d"], ""),
        ("triggers duplicate", [1], ""),
        ("triggers disable", [1], ""),
        ("triggers enable", [1], ""),
        ("triggers delete", [2, "--yes"], ""),
        ("clients set", [1, "--name", "Example"], ""),
        ("clients list", [], ""),
        ("clients set", [2, "--parent", 1], ""),
        ("users create", ["--client", 1, *ANA], ""),
        ("users list", [], ""),
        ("users sign-in", ["ana@example.com"], ""),
        ("users disable", [1], ""),
        ("users enable", [1], ""),
        ("tokens create", ["--client", 1, "--role", "admin", "--user", "ana@example.com"], ""),
        ("tokens list", [], ""),
        ("tokens renew", [1, "--with-uuid"], ""),
        ("tokens disable", [1], ""),
        ("coverage", ["--client", 1], ""),
        ("events check", ["-"], mended),
        ("events preview", ["-"], mended),
        ("events list", [], ""),
        ("events rejected", [], ""),
        ("events ahead", [], ""),
        ("events undecodable", [], ""),
        ("events set-aside", [], ""),
        ("events resubmit", [1, "--file", "-"], mended),
        ("events show", [event_id, "--client", 1], ""),
        ("notifications list", [], ""),
        ("notifications show", [1], ""),
        ("notifications replay", [1], ""),
        ("policy show", [], ""),
        ("policy simulate", ["--since", "1d"], ""),
        ("activity list", [], ""),
        ("ledger", [], ""),
        ("metrics", [], ""),
        ("secrets rotate", [], ""),
        ("integrations delete", [1, "--yes"], ""),
        ("db upgrade", [], ""),
        ("db restored", ["--cancel"], ""),
    ]  # fmt: skip
    assert {command for command, _, _ in done} == leaves() - NO_DATABASE - {"doctor"}
    examined = json.loads(confined("doctor", "--json").stdout)["findings"]
    # Nobody works here; nothing else is bad.
    bad = {f["part"] for f in examined if f["grade"] == "bad"}
    assert bad == {"beat", "queues"}, examined
    for command, arguments, stdin in done:
        result = confined(*command.split(), *arguments, stdin=stdin)
        assert result.exit_code == 0, (command, result.output)
        if command == "events resubmit":
            confined.end_all("failed")
    ctx = confined.wiring.context
    url = confined.environment["WALLARM_NOTIFY_DATABASE_URL"]
    as_owner(url, "UPDATE activity SET at = now() - interval '91 days'")
    assert [run_sweep(ctx).ran, prune(ctx).ran] == [True, True]
    assert confined.ok("activity", "list") == "No changes.\n"
    assert review(confined.wiring.context).words
    # Of these SWEEP only logs what goes wrong.
    assert (follow_clock(ctx), take_in_ahead(ctx)) == (0, 0)
    assert refusals(valkey.url) == []
