"""The command line, as tests drive it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from build import COUNT_STATES_ANEW
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
    """A command line that runs in this process; ``outputs`` has all that was printed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.outputs: list[str] = []

    def __call__(self, *arguments: object, stdin: str | bytes = "") -> Result:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(cli, words, input=stdin, prog_name="wallarm-notify")
        self.outputs.append(result.output)
        assert isinstance(result.exception, SystemExit | None), result.output
        return result

    def ok(self, *arguments: object, stdin: str | bytes = "") -> str:
        """Run a command that succeeds; return its standard output."""
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: object, stdin: str | bytes = "") -> Any:
        """Run a command that succeeds; return its one JSON document."""
        return json.loads(self.ok(*arguments, "--json", stdin=stdin))

    def refusal(self, *arguments: object, stdin: str | bytes = "") -> str:
        """Run a command that is refused; return its one sentence."""
        result = self(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("wallarm-notify: ")
        return line.removeprefix("wallarm-notify: ")

    def process(
        self, *arguments: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the real program, with ``environment`` added."""
        done = subprocess.run(
            [COMMAND, *arguments],
            env={**os.environ, **self.environment, **environment},
            input=stdin.decode(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.outputs.append(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def integration(self, *arguments: object) -> int:
        """Create an integration of client 1, by default for security issues; return its id."""
        given = arguments or ("--subscribe", "security_issue")
        made = self.json(
            "integrations", "create", "--client", 1, "--key", "-", *given, stdin=f"{KEY}\n"
        )
        return int(made["id"])

    @property
    def wiring(self) -> Wiring:
        """What the commands give to use cases."""
        settings = read_settings()
        return Wiring(settings, context_of(settings))

    def sql(self, statement: str) -> None:
        """Run one statement, and commit it."""
        engine = create_engine(self.environment["WALLARM_NOTIFY_DATABASE_URL"], poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text(statement))

    def end_all(self, state: str) -> None:
        """End every notification in ``state``, without workers."""
        self.sql(
            f"UPDATE notifications SET state = '{state}', finished_at = now(), recheck_at = NULL"
        )
        self.sql(COUNT_STATES_ANEW)

    def messages(self, queue: str) -> list[Any]:
        """Return the keyword arguments of the messages in a queue, in the order they came."""
        with redis.Redis.from_url(self.environment["WALLARM_NOTIFY_BROKER_URL"]) as broker:
            raw: list[bytes] = broker.lrange(queue, 0, -1)
        return [json.loads(base64.b64decode(json.loads(one)["body"]))[1] for one in reversed(raw)]
