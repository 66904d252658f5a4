"""A whole installation on one machine: servers, workers, beat, Flower, the API and the console, until Ctrl-C."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic import ValidationError

from wallarm_notify.bootstrap import context_of
from wallarm_notify.devstack.kept_folder import used_alone
from wallarm_notify.devstack.kept_servers import CONTENTS, KeptServers, kept_servers
from wallarm_notify.devstack.processes import CannotStart, celery, end, product_command
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL, free_port
from wallarm_notify.devstack.shown_process import Show, ShownProcess
from wallarm_notify.devstack.stack import Say
from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.entrypoints.demo.signals import ending_in_order, uninterrupted_at_the_end
from wallarm_notify.env_file import add_to_env_file, write_env_file
from wallarm_notify.services.context import Context
from wallarm_notify.services.manage_users import create_user, list_users
from wallarm_notify.services.rotate_secrets import has_secrets
from wallarm_notify.services.sessions import make_sign_in_link
from wallarm_notify.settings import (
    ENV_FILE,
    NO_ENV_FILE,
    PREFIX,
    Settings,
    env_file_path,
    read_settings,
    variables,
    words_of,
)
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.migrations import upgrade
from wallarm_notify.task_names import QUEUES, RETRIES_QUEUE

SECRET_KEYS: Final = f"{PREFIX}SECRET_KEYS"
PUBLIC_URL: Final = f"{PREFIX}PUBLIC_URL"
FLOWER_URL: Final = f"{PREFIX}FLOWER_URL"

OPERATOR: Final = "operator@localhost"
"""The user that an installation without any user is given, so that somebody can sign in."""

_KIND: Final = "installation"
_SETTINGS: Final = "settings.env"
"""The file in the folder with all settings in force, for commands in another terminal."""

_NO_VARIABLE: Final = f"{PREFIX}NONE_"
"""A prefix that no variable has: the settings are all given."""

_PATIENCE: Final = 60.0
"""Seconds between asking the parts to end and killing them; a request under way has its 15 s, and more."""

_POLL_SECONDS: Final = 0.2

RESTARTS_AFTER: Final = timedelta(minutes=1)
"""A part that was started again has to run for so long before it is once more."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of this machine that the API, with the console, and Flower are at; 0: a free one."""

    api: int
    flower: int


def is_started_again(*, was_ready: bool, since_restart: timedelta | None) -> bool:
    """Return whether a part that ended by itself is started again; else all ends.

    One that was never ready would not be the next time either: its settings are wrong, or its port is taken. The same
    holds for one that ends again soon after it was started again (``since_restart``; None: it was not).
    """
    return was_ready and (since_restart is None or since_restart > RESTARTS_AFTER)


class _Ended(Unavailable):
    """A part ended by itself, and all others with it; ``tail`` is the end of its log."""

    def __init__(self, name: str, status: int | None, tail: str) -> None:
        super().__init__(f"{name} ended{_how(status)}, and all else was ended.")
        self.name = name
        self.tail = tail


def run(folder: Path, ports: Ports, say: Say, show: Show, *, is_watched: bool) -> None:
    """Run an installation until Ctrl-C or SIGTERM, with its state in ``folder``; then nothing is left running.

    ``say`` gets lines for people, ``show`` the output of each part, line by line. ``is_watched``: a person reads them,
    and they are not kept, so that a link to sign in by may be among them. Raise NotifyError.
    """
    with ending_in_order():
        try:
            with _running(folder, ports, say, show, is_watched=is_watched) as parts:
                parts.watch()
        except (KeyboardInterrupt, SystemExit):
            say(f"Stopped; nothing is left running. What there was is in {folder}.")
        except _Ended as ended:
            for line in ("", f"The last lines of {ended.name}:", *ended.tail.splitlines()):
                say(line)
            raise


@contextmanager
def _running(
    folder: Path, ports: Ports, say: Say, show: Show, *, is_watched: bool
) -> Iterator["_Parts"]:
    with (
        used_alone(folder, _KIND, (*CONTENTS, _SETTINGS)),
        TemporaryDirectory(prefix="wallarm-notify-up-") as temporary,
        kept_servers(folder, _named(), say) as servers,
    ):
        found = Ports(ports.api or free_port(), ports.flower or free_port())
        environment = _environment(servers, found, say)
        write_env_file(folder / _SETTINGS, environment)
        for line in _greeting(folder, environment, found, is_watched=is_watched):
            say(line)
        # What a part leaves behind that is killed goes with this folder.
        parts = _Parts({**environment, "TMPDIR": temporary}, found, servers, say, show)
        try:
            with uninterrupted_at_the_end():
                parts.begin()
                yield parts
        finally:
            parts.close()


def _named() -> dict[str, str]:
    """Return the settings there are, once they are seen to be right."""
    read_settings()
    return {name: value for name, value in variables().items() if name != ENV_FILE}


def _environment(servers: KeptServers, ports: Ports, say: Say) -> dict[str, str]:
    """Return the settings of every part, on a database that is up to date; make secret keys that are missing."""
    given = _named()
    own = {
        DATABASE_URL: servers.database_url,
        BROKER_URL: servers.broker_url,
        PUBLIC_URL: given.get(PUBLIC_URL) or f"http://127.0.0.1:{ports.api}",
        FLOWER_URL: given.get(FLOWER_URL) or f"http://127.0.0.1:{ports.flower}",
    }
    before, after = upgrade(_settings_of({**given, **own}).database())
    say(f"Database: at version {after}" + ("" if before == after else ", upgraded just now"))
    if not given.get(SECRET_KEYS):
        own[SECRET_KEYS] = _new_secret_keys(_context_of({**given, **own}, keyless=True), say)
    environment = {**given, **own}
    _context_of(environment).store.check_keys()
    return environment


def _settings_of(environment: Mapping[str, str]) -> Settings:
    texts: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if value
    }
    try:
        return Settings(_env_prefix=_NO_VARIABLE, **texts)
    except ValidationError as error:
        # Its own text would have the values that stand beside the wrong one.
        raise CannotStart(
            f"With the servers that are started here the settings do not fit: {words_of(error)}"
        ) from None


def _context_of(environment: Mapping[str, str], *, keyless: bool = False) -> Context:
    return context_of(_settings_of(environment), keyless=keyless)


def _new_secret_keys(ctx: Context, say: Say) -> str:
    """Return a new secret key, which the file of settings has from now on. Raise CannotStart, EnvFileError."""
    path = env_file_path()
    if has_secrets(ctx):
        raise CannotStart(
            f"{SECRET_KEYS} is not set, and the database has integration keys that were encrypted with one: "
            f"put it back into {path}."
        )
    if path == NO_ENV_FILE or SECRET_KEYS in os.environ:
        raise CannotStart(
            f"{SECRET_KEYS} is empty, and is not to be read from a file; set it to a key made by "
            "«wallarm-notify secrets generate»."
        )
    made = generate()
    add_to_env_file(Path(path), SECRET_KEYS, made)
    say(f"Secret keys: made, in {path}; keep them, for they decrypt the stored integration keys")
    return made


def _greeting(
    folder: Path, environment: Mapping[str, str], ports: Ports, *, is_watched: bool
) -> list[str]:
    """Return what people need to know, where each part is and how to sign in."""
    us, eu = (f"{PREFIX}PAGERDUTY_{region}_URL" for region in ("US", "EU"))
    settings = _settings_of(environment)
    return [
        "",
        f"Console and API: http://127.0.0.1:{ports.api}",
        f"Flower: http://127.0.0.1:{ports.flower}",
        f"Alerts go to {settings.pagerduty_us_url} and {settings.pagerduty_eu_url} ({us}, {eu})",
        *_sign_in(_context_of(environment, keyless=True), ports, with_link=is_watched),
        "Commands in another terminal, and producers, have the same settings by",
        f"  export {ENV_FILE}={folder.resolve() / _SETTINGS}",
        "Until Ctrl-C; all is kept for the next start. The parts, with what they say:",
        "",
    ]


def _sign_in(ctx: Context, ports: Ports, *, with_link: bool) -> list[str]:
    """Return how to sign in to the console: by a link, where the only operator is the one that is made here."""
    actor = operator("up")
    if not list_users(ctx, EVERY_CLIENT, limit=1).items:
        create_user(ctx, actor, EVERY_CLIENT, UserDraft(None, OPERATOR, "Operator", Role.OPERATOR))
    if not with_link:
        return [f"Sign in by a link that this makes: wallarm-notify users sign-in {OPERATOR}"]
    try:
        secret = make_sign_in_link(ctx, actor, EVERY_CLIENT, OPERATOR)
    except Refused:  # there are other people, who have their own ways
        return ["Sign in by a link that this makes: wallarm-notify users sign-in EMAIL"]
    return [
        f"Sign in as {OPERATOR}, who sees all clients, by this link, once, within 10 minutes:",
        f"  http://127.0.0.1:{ports.api}/sign-in/{secret.reveal()}",
        f"For another link: wallarm-notify users sign-in {OPERATOR}",
    ]


def _commands(ports: Ports) -> dict[str, tuple[Sequence[str], str]]:
    """Return the command line of each part, and the words by which it says that it is ready."""
    first = ",".join(queue for queue in QUEUES if queue != RETRIES_QUEUE)
    return {
        "first": (_worker("first", first), " ready."),
        "retries": (_worker("retries", RETRIES_QUEUE), " ready."),
        "beat": (celery("beat", "--loglevel", "INFO", quiet=True), "beat: Starting"),
        "flower": (
            product_command("flower", "--address", "127.0.0.1", "--port", str(ports.flower)),
            "Flower at ",
        ),
        "api": (product_command("serve", "--port", str(ports.api)), "The API at "),
    }


def _worker(node: str, queues: str) -> list[str]:
    words = ("worker", "--loglevel", "INFO", "-n", f"{node}@%h", "-Q", queues)
    return celery(*words, quiet=True)


class _Parts:
    """The programs of an installation: started, watched and ended together."""

    def __init__(
        self,
        environment: Mapping[str, str],
        ports: Ports,
        servers: KeptServers,
        say: Say,
        show: Show,
    ) -> None:
        rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environ = {**rest, **environment, ENV_FILE: NO_ENV_FILE}
        self._commands = _commands(ports)
        self._servers = servers
        self._say = say
        self._show = show
        self._running: dict[str, ShownProcess] = {}
        self._restarted: dict[str, float] = {}

    def begin(self) -> None:
        """Start all of them; they are ready some seconds later."""
        for name in self._commands:
            self._start(name)

    def watch(self) -> None:
        """Start again what ends by itself. Raise Unavailable where that would not help, or a server has ended."""
        is_announced = False
        while True:
            if server := self._servers.ended():
                # Its data is to be looked at first; what works on it could do nothing meanwhile.
                raise _Ended(server.name, server.exit_status(), server.tail())
            for name, part in self._running.items():
                if part.has_ended():
                    self._start_again(name, part)
            if not is_announced and all(part.is_ready for part in self._running.values()):
                self._say("All parts run.")
                is_announced = True
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """End all of them, and show their last words."""
        end(list(self._running.values()), _PATIENCE)
        for part in self._running.values():
            part.kill()  # what it has left of its group
            part.finish()

    def _start(self, name: str) -> None:
        command, ready = self._commands[name]
        self._running[name] = ShownProcess(
            name, command, self._show, ready=ready, environ=self._environ
        )

    def _start_again(self, name: str, part: ShownProcess) -> None:
        status = part.exit_status()
        part.kill()  # what it has left of its group
        part.finish()
        before = self._restarted.get(name)
        since = None if before is None else timedelta(seconds=time.monotonic() - before)
        if not is_started_again(was_ready=part.is_ready, since_restart=since):
            raise _Ended(name, status, part.tail())
        self._say(f"{name} ended{_how(status)}; it is started again.")
        self._restarted[name] = time.monotonic()
        self._start(name)


def _how(status: int | None) -> str:
    """Return how a program ended, as the end of a sentence."""
    if status is None:
        return ""
    return f", killed by signal {-status}" if status < 0 else f" with exit status {status}"
