"""A RabbitMQ cluster of three nodes on loopback, from Debian's package, with names and a cookie of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self

from build import eventually

from wallarm_notify.devstack.processes import CannotStart, Process
from wallarm_notify.devstack.rabbitmq import SERVER, RabbitMQ
from wallarm_notify.devstack.server import free_port

NODES: Final = 3
NAME_SERVER: Final = shutil.which("epmd")


class ClusterNode(RabbitMQ):
    """A node whose name server (epmd) and cookie are the cluster's. Its data survives ``kill``."""

    def __init__(self, number: int, home: Path, name_server: int) -> None:
        super().__init__()
        self.name = f"wallarm-notify-{number}@localhost"
        self.address = f"127.0.0.1:{self._port}"
        self._home, self._name_server = home, name_server

    @property
    def is_up(self) -> bool:
        """Whether it was started, and not killed since."""
        return self._running is not None

    def start(self) -> None:
        """Start with the data there is."""
        self.launch()
        self.await_start()

    def launch(self) -> None:
        """Start with the data there is; it takes clients some seconds later."""
        (self._folder / "plugins").write_text("[].")
        # A part that is cut off from most of the cluster takes nothing.
        (self._folder / "rabbitmq.conf").write_text("cluster_partition_handling = pause_minority\n")
        self._running = Process([SERVER], self._folder / "out", environ=self._environment())

    def await_start(self) -> None:
        """Wait until it takes clients."""
        eventually(self._answers, 90, f"{self.name} answered")
        self.control("await_startup")

    def join(self, other: ClusterNode) -> None:
        """Become a node of the cluster that ``other`` is in."""
        self.control("stop_app")
        self.control("join_cluster", other.name)
        self.control("start_app")

    def _environment(self) -> dict[str, str]:
        own = {
            "HOME": self._home,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._name_server,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONFIG_FILE": self._folder / "rabbitmq",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return {**super()._environment(), **{name: str(value) for name, value in own.items()}}


class Cluster:
    """Three nodes and the name server by which they find each other."""

    def __init__(self) -> None:
        if NAME_SERVER is None:
            raise CannotStart("epmd is needed, which comes with rabbitmq-server")
        self._home = Path(mkdtemp(prefix="wallarm-notify-cluster-"))
        port = free_port()
        self._command = [NAME_SERVER, "-port", str(port), "-address", "127.0.0.1"]
        self._names: Process | None = None
        self.nodes = [ClusterNode(number, self._home, port) for number in range(1, NODES + 1)]

    def __enter__(self) -> Self:
        try:
            self._names = Process(self._command, self._home / "epmd.log", when_orphaned="KILL")
            self.nodes[0].launch()  # alone, as it makes the cookie that the others read
            eventually((self._home / ".erlang.cookie").exists, 60, "a cookie")
            for node in self.nodes[1:]:
                node.launch()
            for node in self.nodes:
                node.await_start()
            for node in self.nodes[1:]:
                node.join(self.nodes[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.__exit__()
        if self._names is not None:
            self._names.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def restore(self) -> None:
        """Start the nodes that were killed."""
        for node in self.nodes:
            if not node.is_up:
                node.start()

    def make_vhost(self, name: str) -> None:
        """Make an empty vhost."""
        self.nodes[0].control("add_vhost", name)
        self.nodes[0].control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")

    def home_of(self, queue: str, vhost: str, asked: ClusterNode) -> ClusterNode:
        """Return the node that a queue is on; of a quorum queue the one that leads it."""
        listed = asked.control(
            "list_queues", "--quiet", "--no-table-headers", "-p", vhost, "name", "pid"
        )
        pids = dict(line.split("\t") for line in listed.splitlines())
        return next(node for node in self.nodes if node.name in pids[queue])

    def url(self, vhost: str, *nodes: ClusterNode) -> str:
        """Return the URL of a vhost as Celery writes several addresses: of ``nodes``, tried in their order."""
        return ";".join(
            f"amqp://guest:guest@{node.address}/{vhost}" for node in nodes or self.nodes
        )
