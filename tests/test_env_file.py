"""Settings from the file ``.env``."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from entrypoints.command_line import COMMAND

from wallarm_notify.devstack.processes import celery, folder_of_tasks
from wallarm_notify.env_file import (
    LARGEST,
    EnvFileError,
    add_to_env_file,
    fault_of,
    read_env_file,
    write_env_file,
)
from wallarm_notify.settings import SettingsError, read_settings, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "WALLARM_NOTIFY_"
SECRET = "a-secret-word"
FILE = stat.S_IFREG | 0o600


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WALLARM_NOTIFY_ENV_FILE")
    settings.cache_clear()
    yield
    settings.cache_clear()


def written(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    path.chmod(mode)
    return path


def test_settings_are_read_from_the_file_in_the_current_folder(tmp_path: Path) -> None:
    written(
        tmp_path,
        "# several terminals share these",
        "export WALLARM_NOTIFY_DATABASE_URL='postgresql://notify:p$1%23@db.example/notify'",
        "WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE=7  # a minute",
        "WALLARM_NOTIFY_OUTAGE_GUARD=no",
        "",
        "WALLARM_NOTIFY_CLOUD=",
    )
    read = read_settings()
    assert read.database() == "postgresql://notify:p$1%23@db.example/notify"
    assert (read.rate_limit_per_minute, read.outage_guard, read.cloud) == (7, False, "us")


@pytest.mark.parametrize(("set_to", "holds"), [("5", 5), ("", 100), (None, 7)])
def test_the_environment_takes_precedence_even_where_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_to: str | None, holds: int
) -> None:
    written(tmp_path, "WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE=7")
    if set_to is not None:
        monkeypatch.setenv("WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE", set_to)
    assert read_settings().rate_limit_per_minute == holds


def test_an_old_name_in_the_environment_takes_precedence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE=7")
    monkeypatch.setenv("WALLARM_NOTIFY_PACE_PER_MINUTE", "5")
    assert read_settings().rate_limit_per_minute == 5


def test_nothing_but_our_variables_is_read_and_no_environment_is_changed(tmp_path: Path) -> None:
    written(tmp_path, "CELERY_BROKER_URL=redis://other", f"{PREFIX}CLOUD=eu", "PGSSLMODE=disable")
    before = dict(os.environ)
    assert set(read_env_file(tmp_path / ".env", PREFIX).values) == {f"{PREFIX}CLOUD"}
    assert read_settings().cloud == "eu"
    assert dict(os.environ) == before


def test_another_file_or_none_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "WALLARM_NOTIFY_CLOUD=eu").rename(tmp_path / "other")
    assert read_settings().cloud == "us"
    monkeypatch.setenv("WALLARM_NOTIFY_ENV_FILE", str(tmp_path / "other"))
    assert read_settings().cloud == "eu"
    written(tmp_path, "WALLARM_NOTIFY_CLOUD=me")
    monkeypatch.setenv("WALLARM_NOTIFY_ENV_FILE", "none")
    assert read_settings().cloud == "us"


@pytest.mark.parametrize(
    "line",
    [
        f"WALLARM_NOTIFY_SECRET_KEYS {SECRET}",
        f"WALLARM_NOTIFY_SECRET_KEYS='{SECRET}",
        "WALLARM_NOTIFY_SECRET_KEYS",
        f"={SECRET}",
    ],
)
def test_a_line_that_sets_nothing_is_named_by_its_number_and_not_repeated(
    tmp_path: Path, line: str
) -> None:
    written(tmp_path, "WALLARM_NOTIFY_CLOUD=eu", line)
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert str(error.value) == (
        ".env, line 2: it is not NAME=value, with quotes closed; # begins a comment."
    )


def test_a_wrong_value_is_named_with_the_file_and_not_repeated(tmp_path: Path) -> None:
    written(tmp_path, f"WALLARM_NOTIFY_SECRET_KEYS={SECRET}")
    with pytest.raises(SettingsError, match=r"^WALLARM_NOTIFY_SECRET_KEYS \(in \.env\): ") as error:
        read_settings()
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("mode", "owner", "size", "fault"),
    [
        (FILE, 7, 10, None),
        (FILE, 0, 10, None),
        (FILE | 0o044, 7, 10, None),
        (FILE, 8, 10, "belongs to another user (number 8)"),
        (FILE | 0o002, 7, 10, "can be written by everybody"),
        (FILE, 7, LARGEST, None),
        (FILE, 7, LARGEST + 1, "has more than"),
        (stat.S_IFIFO | 0o600, 7, 0, "is no file"),
        (stat.S_IFDIR | 0o700, 7, 0, "is no file"),
    ],
)
def test_what_others_may_have_written_or_is_no_file_is_refused(
    mode: int, owner: int, size: int, fault: str | None
) -> None:
    found = fault_of(mode, owner, 7, size)
    assert (found or "").startswith(fault or "")
    assert (found is None) == (fault is None)


def test_a_folder_a_pipe_and_bytes_that_are_no_text_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"WALLARM_NOTIFY_CLOUD=\xff")
    (tmp_path / "file").touch()
    for name, words in (("folder", "is no file"), ("pipe", "is no file"), ("bytes", "UTF-8"),
                        ("file/.env", "cannot be read")):  # fmt: skip
        with pytest.raises(EnvFileError, match=words):
            read_env_file(tmp_path / name, PREFIX)
    assert read_env_file(tmp_path / "nothing", PREFIX).values == {}


def test_one_that_others_can_read_is_warned_of_and_unknown_names_in_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "WALLARM_NOTIFY_CLUOD=eu", mode=0o644)
    settings()
    readable, unknown = capsys.readouterr().err.splitlines()
    assert readable.endswith("chmod 600 .env")
    assert "WALLARM_NOTIFY_CLUOD is not a setting" in unknown


@pytest.mark.parametrize("program", ["command", "worker", "beat", "flower"])
def test_every_program_reads_it(tmp_path: Path, program: str) -> None:
    written(tmp_path, f"WALLARM_NOTIFY_BROKER_URL=nonsense://{SECRET}")
    ours = {"command": ("events", "emit", "-"), "flower": ("flower",)}
    done = subprocess.run(
        [COMMAND, *ours[program]] if program in ours else celery(program),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(folder_of_tasks())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = done.stdout + done.stderr
    assert (done.returncode, "WALLARM_NOTIFY_BROKER_URL (in .env): " in output) == (1, True), output
    assert SECRET not in output
    assert "Traceback" not in output


VALUES = [
    "plain",
    "",
    "it's",
    "back\\slash",
    'a "quoted" one',
    "# no comment",
    "$HOME",
    "a=b,c",
    "ü",
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_added_is_read_as_it_is_and_by_its_owner_alone(tmp_path: Path, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text("WALLARM_NOTIFY_CLOUD=eu  # no line break", encoding="utf-8")
    path.chmod(0o644)
    add_to_env_file(path, "WALLARM_NOTIFY_ADDED", value)
    add_to_env_file(path, "WALLARM_NOTIFY_LAST", "one")
    found = read_env_file(path, PREFIX)
    added = {"WALLARM_NOTIFY_ADDED": value, "WALLARM_NOTIFY_LAST": "one"}
    assert found.values == {"WALLARM_NOTIFY_CLOUD": "eu", **added}
    assert found.warnings == ()
    write_env_file(path, added)
    assert read_env_file(path, PREFIX).values == added
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [".env"]


def test_a_file_that_is_missing_is_made_and_one_that_is_none_is_left_alone(tmp_path: Path) -> None:
    add_to_env_file(tmp_path / ".env", "WALLARM_NOTIFY_CLOUD", "eu")
    assert read_env_file(tmp_path / ".env", PREFIX).values == {"WALLARM_NOTIFY_CLOUD": "eu"}
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EnvFileError, match="is no file"):
        add_to_env_file(tmp_path / "pipe", "WALLARM_NOTIFY_SECRET_KEYS", SECRET)
    with pytest.raises(EnvFileError, match="cannot be written") as error:
        write_env_file(tmp_path / "missing" / "file", {"WALLARM_NOTIFY_SECRET_KEYS": SECRET})
    assert SECRET not in str(error.value)
