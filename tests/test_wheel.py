"""What is installed is the product alone, with its licence and its types."""

from __future__ import annotations

import subprocess
import sys
from email.parser import HeaderParser
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel as it is built from this checkout."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=120)
    (built,) = folder.iterdir()
    return ZipFile(built)


def test_the_wheel_holds_every_module_of_ours_and_no_test(wheel: ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = [ROOT / "celeryconfig.py", *ROOT.glob("tasks/**/*"), *ROOT.glob("wallarm_notify/**/*")]
    assert held == {
        str(path.relative_to(ROOT))
        for path in ours
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_whoever_imports_the_package_is_given_its_types(wheel: ZipFile) -> None:
    # Without this marker a type checker takes everything in the package for untyped (PEP 561).
    assert "wallarm_notify/py.typed" in wheel.namelist()


def test_the_wheel_carries_the_licence_that_it_names(wheel: ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(wheel.read(metadata).decode())
    assert headers["License-Expression"] == "Apache-2.0"
    (licence,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
