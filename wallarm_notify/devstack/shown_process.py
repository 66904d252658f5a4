"""A program whose output is shown line by line as it comes."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final

from wallarm_notify.devstack.processes import Process

Show = Callable[[str, str], None]
"""Takes the name of a program and a line of its output."""

_KEPT_LINES: Final = 100
_LAST_WORDS_SECONDS: Final = 5.0


class ShownProcess(Process):
    """A started program, each line of whose output ``show`` gets.

    Its last lines are kept, and no log is written. It ``is_ready`` from a line on that has the words ``ready``.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        show: Show,
        *,
        ready: str,
        environ: Mapping[str, str],
    ) -> None:
        self.is_ready = False
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._ready = ready
        self._show = show
        self._reading, self._writing = os.pipe()
        super().__init__(command, Path(name), environ=environ)
        self._reader = Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()

    def _output(self) -> BinaryIO:
        return os.fdopen(self._writing, "wb")

    def text(self) -> str:
        """Return the last lines of its output."""
        return "\n".join(self._lines)

    def finish(self) -> None:
        """Wait until what it wrote before its end is shown."""
        self._reader.join(_LAST_WORDS_SECONDS)

    def _read(self) -> None:
        with os.fdopen(self._reading, encoding="utf-8", errors="replace") as output:
            for line in output:
                words = line.rstrip("\n")
                self._lines.append(words)
                self.is_ready = self.is_ready or self._ready in words
                # Nobody may look any more; the program must not wait for somebody to read on.
                with suppress(OSError):
                    self._show(self.name, words)
