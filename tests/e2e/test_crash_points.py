"""The chaos suite's crash points exist: they are names of the product, which nothing else looks up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from chaos.armed import FOLDER, POINTS, VARIABLE

TESTS = Path(__file__).parents[1]


def test_every_crash_point_can_be_armed(tmp_path: Path) -> None:
    points = [{"point": point, "action": "pause", "times": 1} for point in POINTS]
    environment = {
        **os.environ,
        VARIABLE: json.dumps(points),
        FOLDER: str(tmp_path),
        "WALLARM_NOTIFY_BROKER_URL": "redis://127.0.0.1:1/0",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", "import chaos.armed"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
