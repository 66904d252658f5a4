"""Machines of a network of its own: each has an address and a cable that can be pulled.

A machine is a network namespace. Nothing of the host's network is touched, and nothing is left of it: a
namespace goes with the last process in it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from rabbitmq_cluster import NAME_SERVER

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import CannotStart, Process
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.devstack.valkey import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

SUBNET: Final = "198.18.0"
"""Of the addresses that are set aside for tests of networks (RFC 2544)."""

NEEDED: Final = (
    "Machines in network namespaces need root, and the command ip (apt-get install iproute2)."
)

_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Machine:
    """A machine with one network card, whose cable leads to the switch of its network."""

    def __init__(self, number: int, switch: int) -> None:
        self._addresses = (f"{SUBNET}.{last}" for last in range(number, 250, 10))
        self.address = next(self._addresses)
        self._port = f"port{number}"
        self._switch = switch
        self._namespace = _new_namespace()
        _enter(switch)
        card = f"/proc/{os.getpid()}/fd/{self._namespace}"
        _ip("link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", card)
        _ip("link", "set", self._port, "master", "switch", "up")
        with self.entered():
            _ip("link", "set", "lo", "up")
            _ip("address", "add", f"{self.address}/24", "dev", "eth0")
            _ip("link", "set", "eth0", "up")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let whatever this thread starts or connects within the block be on this machine."""
        with _inside(self._namespace):
            yield

    def cut_off(self) -> None:
        """Pull the cable: nobody is told, neither by FIN nor by RST."""
        with _inside(self._switch):
            _ip("link", "set", self._port, "down")

    def bring_back(self) -> None:
        """Plug the cable in again."""
        with _inside(self._switch):
            _ip("link", "set", self._port, "up")

    def move(self) -> None:
        """Take another address; what is connected from the former one hears no more, and is not told either."""
        self.address = next(self._addresses)
        with self.entered():
            _ip("address", "flush", "dev", "eth0")
            _ip("address", "add", f"{self.address}/24", "dev", "eth0")

    def close(self) -> None:
        """Let go of the namespace, which ends with its last process."""
        os.close(self._namespace)


class Network:
    """A switch with machines. This process is at the switch meanwhile, and reaches all of them."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise CannotStart(NEEDED)
        self._machines: list[Machine] = []

    def __enter__(self) -> Self:
        self._home = _own_namespace()
        self._switch = _new_namespace()
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "switch", "type", "bridge")
        _ip("address", "add", f"{SUBNET}.254/24", "dev", "switch")
        _ip("link", "set", "switch", "up")
        return self

    def __exit__(self, *_: object) -> None:
        _enter(self._home)
        for machine in self._machines:
            machine.close()
        os.close(self._switch)
        os.close(self._home)

    def add(self) -> Machine:
        """Return a new machine with the next address."""
        machine = Machine(len(self._machines) + 1, self._switch)
        self._machines.append(machine)
        return machine

    def mend(self) -> None:
        """Plug every cable in."""
        for machine in self._machines:
            machine.bring_back()


class PostgresOnMachine(EmbeddedPostgres):
    """A PostgreSQL that machines reach by TCP, and this process by its socket whatever becomes of cables."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(settings={"listen_addresses": "*"})
        self._machine = machine

    def url_by_tcp(self, database: str) -> str:
        """Return the URL of a database for programs on other machines."""
        return f"postgresql+psycopg2://postgres@{self._machine.address}:5432/{database}"

    def start(self) -> None:
        """Start on its machine."""
        with self._machine.entered():
            super().start()

    def _make_cluster(self, binaries: Path, data: Path, log: Path) -> None:
        super()._make_cluster(binaries, data, log)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {SUBNET}.0/24 trust\n")


class BrokerOnMachine(EmbeddedBroker):
    """A Valkey that every machine reaches at its machine's address."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    @property
    def url(self) -> str:
        """The URL of database 0 with the password."""
        return super().url.replace("127.0.0.1", self._machine.address)

    def start(self) -> None:
        """Start on its machine."""
        with self._machine.entered():
            super().start()

    def _open_port(self, client: redis.Redis) -> None:
        client.config_set("bind", self._machine.address)
        super()._open_port(client)


class RabbitMQOnMachine(RabbitMQ):
    """A RabbitMQ that every machine reaches at its machine's address, with a name server (epmd) of its own."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._names: Process | None = None

    @property
    def url(self) -> str:
        """The URL for Celery."""
        return super().url.replace("127.0.0.1", self._machine.address)

    def start(self) -> None:
        """Start on its machine."""
        (self._folder / "rabbitmq.conf").write_text("loopback_users = none\n")
        with self._machine.entered():
            if NAME_SERVER is None:
                raise CannotStart("epmd is needed, which comes with rabbitmq-server")
            self._names = Process([NAME_SERVER], self._folder / "epmd.log", when_orphaned="KILL")
            super().start()

    def kill(self) -> None:
        """End as in a crash."""
        with self._machine.entered():
            super().kill()
        if self._names is not None:
            self._names.kill()
            self._names = None

    def control(self, *words: str) -> str:
        """Run rabbitmqctl on its machine; return its output. Raise CannotStart where it fails."""
        with self._machine.entered():
            return super().control(*words)

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((self._machine.address, self._port)) == 0

    def _environment(self) -> dict[str, str]:
        own = {
            "RABBITMQ_NODE_IP_ADDRESS": self._machine.address,
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
        }
        return {**super()._environment(), **own}


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _new_namespace() -> int:
    """Return a new namespace, which this thread has entered."""
    if _LIBC.unshare(_CLONE_NEWNET):
        raise CannotStart(f"{NEEDED} The system says: {os.strerror(ctypes.get_errno())}.")
    return _own_namespace()


@contextmanager
def _inside(namespace: int) -> Iterator[None]:
    """Let this thread be in a namespace within the block."""
    before = _own_namespace()
    _enter(namespace)
    try:
        yield
    finally:
        _enter(before)
        os.close(before)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace could not be entered")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
