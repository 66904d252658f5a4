"""What is installed is the product alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_every_module_of_ours_and_no_test(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=120)
    (wheel,) = tmp_path.iterdir()
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = [ROOT / "celeryconfig.py", *ROOT.glob("tasks/**/*"), *ROOT.glob("wallarm_notify/**/*")]
    assert held == {
        str(path.relative_to(ROOT))
        for path in ours
        if path.is_file() and "__pycache__" not in path.parts
    }
