"""The command line as a test drives it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from click.testing import CliRunner
from sqlalchemy import NullPool, create_engine, text

from wallarm_notify.bootstrap import Wiring, context_of
from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

KEY = "KnownSecretKey0123456789abcdefXY"
MASKED = "…efXY"

COMMAND = Path(sys.executable).with_name("wallarm-notify")


class CommandLine:
    """Runs commands in this process; ``said`` keeps all that any of them printed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.said: list[str] = []

    def __call__(self, *arguments: object, stdin: str | bytes = "") -> Result:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(cli, words, input=stdin, prog_name="wallarm-notify")
        self.said.append(result.output)
        assert isinstance(result.exception, SystemExit | None), result.output
        return result

    def ok(self, *arguments: object, stdin: str | bytes = "") -> str:
        """What a command prints that succeeds."""
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: object, stdin: str | bytes = "") -> Any:
        """The one document that a command prints that succeeds."""
        return json.loads(self.ok(*arguments, "--json", stdin=stdin))

    def refusal(self, *arguments: object, stdin: str | bytes = "") -> str:
        """The one sentence of a command that is refused."""
        result = self(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("wallarm-notify: ")
        return line.removeprefix("wallarm-notify: ")

    def process(
        self, *arguments: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The real program, with ``environment`` on top."""
        done = subprocess.run(
            [COMMAND, *arguments],
            env={**os.environ, **self.environment, **environment},
            input=stdin.decode(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def integration(self, *arguments: object) -> int:
        """A new integration of client 1 that wants security issues, unless told otherwise."""
        given = arguments or ("--subscribe", "security_issue")
        made = self.json(
            "integrations", "create", "--client", 1, "--key", "-", *given, stdin=f"{KEY}\n"
        )
        return int(made["id"])

    @property
    def wiring(self) -> Wiring:
        """What use cases are given behind the commands."""
        settings = read_settings()
        return Wiring(settings, context_of(settings))

    def sql(self, statement: str) -> None:
        """One statement, committed."""
        engine = create_engine(self.environment["WALLARM_NOTIFY_DATABASE_URL"], poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text(statement))

    def end_all(self, state: str) -> None:
        """Every notification ends in ``state``, without workers."""
        self.sql(
            f"UPDATE notifications SET state = '{state}', finished_at = now(), recheck_at = NULL"
        )

    def messages(self, queue: str) -> list[Any]:
        """The keyword arguments of the messages in a queue, in the order they came."""
        with redis.Redis.from_url(self.environment["WALLARM_NOTIFY_BROKER_URL"]) as broker:
            raw: list[bytes] = broker.lrange(queue, 0, -1)
        return [json.loads(base64.b64decode(json.loads(one)["body"]))[1] for one in reversed(raw)]
