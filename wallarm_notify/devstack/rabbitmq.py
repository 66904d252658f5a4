"""A RabbitMQ server from Debian's package, that can be killed and started again."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self

from wallarm_notify.devstack.processes import CannotStart, Process, wait_until
from wallarm_notify.devstack.server import free_ports

SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL: Final = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")


class RabbitMQ:
    """A RabbitMQ of one node. Its port and its data survive ``kill``."""

    def __init__(self) -> None:
        if not SERVER.exists():
            raise CannotStart("RabbitMQ is needed: apt-get install rabbitmq-server")
        self._folder = Path(mkdtemp(prefix="wallarm-notify-rabbitmq-"))
        self._port, self._distribution = free_ports(2)
        self._running: Process | None = None

    @property
    def url(self) -> str:
        """The URL for Celery."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start with the data there is."""
        (self._folder / "plugins").write_text("[].")
        self._running = Process([SERVER], self._folder / "out", environ=self._environment())
        wait_until(self._answers, 120, "RabbitMQ answered")
        # On a busy machine the node may be too slow for the handshake of Erlang, which is not tried again by itself.
        wait_until(self._has_started, 120, "RabbitMQ had started")

    def kill(self) -> None:
        """End as in a crash."""
        if self._running is not None:
            self._running.kill()
            self._running = None
            wait_until(lambda: not self._answers(), 60, "the port was free")

    def control(self, *words: str) -> str:
        """Run rabbitmqctl; return its output. Raise CannotStart where it fails."""
        done = subprocess.run(  # noqa: S603 - our own words
            [CONTROL, *words],
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise CannotStart(f"rabbitmqctl {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _has_started(self) -> bool:
        try:
            self.control("await_startup")
        except (CannotStart, subprocess.TimeoutExpired):
            return False
        return True

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self._port)) == 0

    def _environment(self) -> dict[str, str]:
        own = {
            "HOME": self._folder,
            "RABBITMQ_NODENAME": f"wallarm-notify-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self._port,
            "RABBITMQ_DIST_PORT": self._distribution,
            "RABBITMQ_MNESIA_BASE": self._folder / "mnesia",
            "RABBITMQ_LOG_BASE": self._folder / "log",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": self._folder / "none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self._folder / "plugins",
            # Idle threads of Erlang sleep: on a machine that others work on too they would keep cores from them.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
        return {**os.environ, **{name: str(value) for name, value in own.items()}}
