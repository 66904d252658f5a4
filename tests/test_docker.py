"""The image and the compose file: who is given what, what is published, and what is built."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from typing import Any, Final

import click
import pytest
import yaml
from documents import ROOT
from sqlalchemy import make_url

from wallarm_notify.broker.consumer import TAKEN_WITHIN
from wallarm_notify.broker.liveness import EVERY
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.entrypoints.api.server import ENDS_WITHIN
from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.settings import PREFIX, Settings
from wallarm_notify.task_names import QUEUES

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
SETTINGS: Final = {PREFIX + name.upper() for name in Settings.model_fields}
LIVENESS: Final = PREFIX + "LIVENESS_FILE"
SECRET_SETTINGS: Final = {
    PREFIX + name
    for name in ("DATABASE_URL", "BROKER_URL", "SECRET_KEYS", "HEARTBEAT_URL", "FLOWER_LOGIN")
}
WARM_STOP_SECONDS: Final = TAKEN_WITHIN + START_WITHIN.total_seconds() + 1 + 3 + 2
"""What a worker's stop takes besides a request under way: calls on their way, computations, and events of tasks."""

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
    # Without a value in the file they have that of the environment; that of the health check is the file's own.
    assert {name for name, value in given.items() if value is not None} <= SECRET_SETTINGS | {
        LIVENESS
    }


def test_no_secret_stands_in_a_command_line() -> None:
    for one in SERVICES.values():
        words = " ".join([*one.get("command", []), *one.get("entrypoint", [])])
        # Two are one, which the shell inside replaces: in none of its arguments, as echo is its own.
        assert not re.search(r"(?<!\$)\$(?!\$)", words)
        assert not re.search(r"exec .*\$", words)


@pytest.mark.parametrize("service", SERVICES)
def test_each_container_writes_to_memory_and_its_volume_alone_and_has_no_capability(
    service: str,
) -> None:
    one = SERVICES[service]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in one["tmpfs"]
    assert "privileged" not in one
    assert "cap_add" not in one
    # Ours has its user in the image.
    assert service in OURS or one["user"] in ("postgres", "valkey")


def test_whatever_goes_on_running_has_a_health_check_and_time_to_stop() -> None:
    one_shot_or_for_trying_out = {"migrate", "sandbox"}
    assert {name for name, one in SERVICES.items() if "healthcheck" in one} == (
        SERVICES.keys() - one_shot_or_for_trying_out
    )
    longest = Settings().request_timeout + WARM_STOP_SECONDS
    for name in ("worker-first", "worker-retries"):
        assert SERVICES[name]["stop_grace_period"] == "1m"
        assert longest < 60
    assert SERVICES["api"]["stop_grace_period"] == "45s"
    assert ENDS_WITHIN < 45


@pytest.mark.parametrize("service", ["worker-first", "worker-retries", "beat"])
def test_the_health_check_looks_at_the_file_that_is_touched(service: str) -> None:
    check = SERVICES[service]["healthcheck"]["test"]
    assert check == ["CMD-SHELL", f"find {environment(service)[LIVENESS]} -mmin -2 | grep -q ."]
    assert EVERY * 4 < 120


def test_the_image_is_of_a_user_without_rights_and_holds_neither_tools_nor_secrets() -> None:
    instructions = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    last = instructions[max(n for n, line in enumerate(instructions) if line.startswith("FROM ")) :]
    made = [line.split(maxsplit=1) for line in last if line and not line.startswith("#")]
    assert [name for name, _ in made] == [
        *("FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "STOPSIGNAL", "CMD")
    ]
    words = dict(made)
    assert words["COPY"] == "--from=build /opt/app /opt/app"
    uid, gid = words["USER"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert f"--uid {uid} " in words["RUN"]
    command = json.loads(words["CMD"])
    assert sorted(command[command.index("-Q") + 1].split(",")) == sorted(QUEUES)
    assert not any(line.startswith(("ARG", "ADD")) for line in instructions)
    installs = [line for line in instructions if "pip" in line and " install " in line]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line or "--no-deps dist/" in line


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
