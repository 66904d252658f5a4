"""The sending of a file's events to the broker: read line by line, sent batch by batch."""

import json
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import UUID

from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.output import print_note

if TYPE_CHECKING:
    from wallarm_notify.producer import Producer

LONGEST_LINE: Final = 4_000_000
"""Bytes of a line, at most; an event of the permitted size is shorter in any spelling."""

BATCH: Final = 100
BATCH_BYTES: Final = 4_000_000

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object in ``text``. Raise Refused with a sentence where it is none."""
    if len(text) > LONGEST_LINE:
        raise Refused(f"This is longer than {LONGEST_LINE} bytes, and no event is.")
    try:
        read = json.loads(text.removeprefix(_BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError as error:
        raise Refused(f"This is no valid UTF-8 (byte {error.start + 1}).") from None
    except json.JSONDecodeError as error:
        raise Refused(f"This is no JSON: {error.msg} (character {error.pos + 1}).") from None
    except (ValueError, RecursionError):
        raise Refused("This JSON is nested too deep, or has a number of too many digits.") from None
    if not isinstance(read, dict):
        raise Refused("An event must be a JSON object.")
    return read


class Emission:
    """The sending of one source; ``sent`` and ``refused`` are counts of events and of lines.

    ``given`` are the ids that events without one were given, by the numbers of their lines. It has one batch in
    memory at a time.
    """

    def __init__(self, producer: "Producer", name: str) -> None:
        self.sent = 0
        self.refused = 0
        self.given: dict[int, UUID] = {}
        self._producer = producer
        self._name = name
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._waiting_bytes = 0
        self._troubles: list[tuple[int, str]] = []

    def run(self, source: IO[bytes]) -> Iterator[int]:
        """Send the events of ``source``; yield, after each batch, how many bytes were read.

        Raise Unavailable where the broker does not take them.
        """
        read = 0
        for number, (line, length) in enumerate(lines_of(source), 1):
            read += length
            if line is None:
                self._troubles.append((number, f"The line is longer than {LONGEST_LINE} bytes."))
            elif line.strip():
                self._take(number, line)
            if (
                len(self._waiting) + len(self._troubles) >= BATCH
                or self._waiting_bytes >= BATCH_BYTES
            ):
                self._flush()
                yield read
        self._flush()
        yield read

    def _take(self, number: int, line: bytes) -> None:
        try:
            self._waiting.append((number, read_object(line)))
            self._waiting_bytes += len(line)
        except Refused as error:
            self._troubles.append((number, str(error)))

    def _flush(self) -> None:
        try:
            self._send(self._waiting)
        finally:
            for number, sentence in sorted(self._troubles):
                print_note(f"{self._name}:{number}: {sentence}")
            self.refused += len(self._troubles)
            self._waiting, self._waiting_bytes, self._troubles = [], 0, []

    def _send(self, waiting: list[tuple[int, dict[str, Any]]]) -> None:
        """Send the valid events of ``waiting``, and note the others as refused lines."""
        from wallarm_notify.producer import InvalidEvent, NotSent  # noqa: PLC0415 - Celery, only here

        while waiting:
            try:
                self._note_sent(waiting, self._producer.emit(*[body for _, body in waiting]))
            except InvalidEvent as error:
                # Nothing was sent; the events before the wrong one are valid.
                wrong = error.number - 1
                self._troubles.append((waiting[wrong][0], error.rejection.reason))
                self._send(waiting[:wrong])
                waiting = waiting[wrong + 1 :]
            except NotSent as error:
                self._note_sent(waiting, error.sent)
                first = waiting[len(error.sent)][0]
                raise Unavailable(
                    f"{error} {counted(self.sent, 'event')} sent; from {self._name}:{first} on "
                    "nothing was, emit those again."
                ) from None
            else:
                return

    def _note_sent(self, waiting: list[tuple[int, dict[str, Any]]], ids: Sequence[UUID]) -> None:
        self.sent += len(ids)
        self.given |= {
            number: given
            for (number, body), given in zip(waiting, ids, strict=False)
            if body.get("id") is None
        }


def lines_of(source: IO[bytes]) -> Iterator[tuple[bytes | None, int]]:
    """Yield each line with its length; None stands for a line that is too long."""
    while line := source.readline(LONGEST_LINE + 1):
        length = len(line)
        if length <= LONGEST_LINE or line.endswith(b"\n"):
            yield line, length
            continue
        while rest := source.readline(LONGEST_LINE):
            length += len(rest)
            if rest.endswith(b"\n"):
                break
        yield None, length
