"""The file ``.env``: settings that several terminals share, beside those of the environment.

It holds secrets: no error repeats what stands in it, and a file that others may have written is refused.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from wallarm_notify.domain.errors import NotifyError, system_words

LARGEST: Final = 1_000_000
"""The most bytes of such a file."""

_OWNERS_ALONE: Final = stat.S_IRUSR | stat.S_IWUSR
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_ROOT: Final = 0


class EnvFileError(NotifyError):
    """The file cannot be used; the text says why and what to do, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What was read: the variables by name, and warnings for people."""

    values: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_env_file(path: Path, prefix: str) -> EnvFile:
    """Return the variables with ``prefix`` that a file sets; none where there is no file. Raise EnvFileError."""
    try:
        # A pipe without a writer would be waited for.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return EnvFile()
    except OSError as error:
        raise EnvFileError(f"{path} cannot be read: {system_words(error)}.") from None
    try:
        about = os.fstat(number)
        if fault := fault_of(about.st_mode, about.st_uid, os.geteuid(), about.st_size):
            raise EnvFileError(f"{path} {fault}")
        text = os.read(number, LARGEST).decode()
    except UnicodeDecodeError:
        raise EnvFileError(f"{path} is not in UTF-8; write it anew.") from None
    finally:
        os.close(number)
    warning = f"{path} can be read by others, and may hold secrets: chmod 600 {path}"
    return EnvFile(_values(path, text, prefix), (warning,) if about.st_mode & _OTHERS_READ else ())


def add_to_env_file(path: Path, name: str, value: str) -> None:
    """Add a variable at the end of a file, which its owner alone can read from then on. Raise EnvFileError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, flags, _OWNERS_ALONE)
        with os.fdopen(number, "r+b", buffering=0) as file:
            about = os.fstat(number)
            if fault := fault_of(about.st_mode, about.st_uid, os.geteuid(), about.st_size):
                raise EnvFileError(f"{path} {fault}")
            os.fchmod(number, _OWNERS_ALONE)
            last = os.pread(number, 1, about.st_size - 1) if about.st_size else b"\n"
            break_before = "" if last == b"\n" else "\n"
            file.write(f"{break_before}{_line(name, value)}".encode())
    except OSError as error:
        raise EnvFileError(f"{path} cannot be written: {system_words(error)}.") from None


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Write a file of variables in place of the one that is there; its owner alone can read it. Raise EnvFileError."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNERS_ALONE)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.writelines(_line(name, value) for name, value in values.items())
        new.replace(path)
    except OSError as error:
        raise EnvFileError(f"{path} cannot be written: {system_words(error)}.") from None


def _line(name: str, value: str) -> str:
    """Return the line that sets a variable, as ``read_env_file`` reads it."""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{quoted}'\n"


def fault_of(mode: int, owner: int, user: int, size: int) -> str | None:
    """Return why ``user`` does not read settings from such a file, and what to do; None: he does."""
    if not stat.S_ISREG(mode):
        return "is no file; settings are read from one, or from the environment alone."
    if owner not in (user, _ROOT):
        return (
            f"belongs to another user (number {owner}), who could change the settings by it; have it belong to "
            "who runs this, or take it away."
        )
    if mode & stat.S_IWOTH:
        return "can be written by everybody, who could change the settings by it: chmod 600 it."
    if size > LARGEST:
        return f"has more than {LARGEST} bytes, which no settings have."
    return None


def _values(path: Path, text: str, prefix: str) -> dict[str, str]:
    """Return the variables that ``text`` sets, as a shell would without substitutions; the last one of a name holds."""
    values = {}
    for line in parse_stream(StringIO(text)):
        if line.error or (line.key is not None and line.value is None):
            raise EnvFileError(
                f"{path}, line {line.original.line}: it is not NAME=value, with quotes closed; # begins a comment."
            )
        if line.key is not None and line.key.startswith(prefix):
            values[line.key] = line.value or ""
    return values
