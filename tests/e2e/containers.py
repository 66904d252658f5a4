"""Containers without an engine: programs confined by namespaces, as compose and Kubernetes confine them.

Each has a read-only root file system, a /tmp of its own in memory, no capability and no way to gain any, and is the
first process of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # publishes no types
import yaml
from build import eventually
from documents import ROOT

from wallarm_notify.devstack.processes import Process
from wallarm_notify.devstack.server import is_open_to_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOCKERFILE: Final = (ROOT / "docker" / "Dockerfile").read_text()
(USER,) = re.findall(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)
IMAGE_ENVIRONMENT: Final = dict(
    pair.split("=", 1)
    for pair in re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)[-1].split()
    if not pair.startswith("PATH=")
)
PROGRAMS: Final = Path(sys.executable).parent

_IS_ROOT: Final = os.geteuid() == 0

_SCRIPT: Final = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$NEW"
for kept in $KEPT; do
    case $kept in
        /tmp/*) mkdir -p "$NEW/${kept#/tmp/}"; mount --rbind "$kept" "$NEW/${kept#/tmp/}" ;;
    esac
done
mount --move "$NEW" /tmp
mount -o remount,bind,ro /
case $ROOT in /tmp/*) mount -o remount,bind,ro "$ROOT" ;; esac
cd "$ROOT"
unset NEW KEPT
exec "$@"
"""


def _as_image_user() -> list[str]:
    """Return the beginning of a command line that runs without any capability, as the image's user if it may be.

    That user has to reach the checkout and its Python, which may be in another's home.
    """
    used = (ROOT, PROGRAMS, Path(sys.executable).resolve(), Path(sys.base_prefix))
    is_reached = _IS_ROOT and all(map(is_open_to_all, used))
    user = ["--reuid", USER, "--regid", USER, "--clear-groups"] if is_reached else []
    none = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    return ["setpriv", *user, *none, "--"]


class Container:
    """A program that runs as one container; ``writable`` are its volumes, folders of this machine."""

    def __init__(
        self,
        folder: Path,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        writable: Sequence[Path] = (),
    ) -> None:
        mount_point = folder / f"{name}.tmp"
        mount_point.mkdir()
        self.environment = {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": "/nonexistent",
            **IMAGE_ENVIRONMENT,
            **environment,
        }
        own = {
            "NEW": str(mount_point),
            "KEPT": " ".join(map(str, [ROOT, *writable])),
            "ROOT": str(ROOT),
        }
        apart = [] if _IS_ROOT else ["--user", "--map-root-user"]
        apart += ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = Process(
            ["unshare", *apart, "sh", "-c", _SCRIPT, "sh", *_as_image_user(), *command],
            folder / f"{name}.log",
            environ={**self.environment, **own},
        )

    @property
    def first(self) -> psutil.Process:
        """The first process in it, as this machine sees it."""
        (found,) = eventually(psutil.Process(self.process.pid).children, 60, "its first process")
        return found

    def check(self, command: Sequence[str]) -> bool:
        """Return whether a command succeeds inside of it, as a health check or a probe is run."""
        self.process.check_runs()
        inside = ["nsenter", "--target", str(self.first.pid), "--mount", "--pid"]
        inside += [] if _IS_ROOT else ["--user", "--preserve-credentials"]
        done = subprocess.run(
            [*inside, *_as_image_user(), *command],
            env=self.environment,
            check=False,
            capture_output=True,
            timeout=60,
        )
        return done.returncode == 0

    def passes(self, command: Sequence[str]) -> None:
        """Wait until a health check succeeds."""
        eventually(lambda: self.check(command), 120, f"{self.process.name}: {shlex.join(command)}")

    def stop(self) -> int:
        """Ask it to end, as an engine does; return its exit status."""
        self.first.send_signal(signal.SIGTERM)
        try:
            eventually(self.process.has_ended, 120, f"the end of {self.process.name}")
        finally:
            status = self.process.exit_status()
            self.process.kill()
        assert status is not None
        return status


def documents_of(*names: str) -> list[dict[str, Any]]:
    """Return the objects in files of docker/kubernetes."""
    folder = ROOT / "docker" / "kubernetes"
    return [
        made for name in names for made in yaml.safe_load_all((folder / name).read_text()) if made
    ]
