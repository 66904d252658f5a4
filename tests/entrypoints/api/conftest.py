"""The API on a real database, broker and sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entrypoints.api.http_api import HttpApi, served
from entrypoints.command_line import KEY
from wallarm_notify.logs import LineFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrypoints.command_line import CommandLine


@pytest.fixture
def api(line: CommandLine, caplog: pytest.LogCaptureFixture) -> Iterator[HttpApi]:
    """The API; no answer and no line of the log may hold the known key."""
    yield from keyless(line, caplog)


def keyless(line: CommandLine, caplog: pytest.LogCaptureFixture) -> Iterator[HttpApi]:
    """Serve the API, and look afterwards through all answers and the log for the known key."""
    caplog.set_level("DEBUG", "wallarm_notify")
    caplog.handler.setFormatter(LineFormatter())  # pytest's own leaves the fields out
    with served(line) as running:
        yield running
    for text in (*running.answers, caplog.text):
        assert KEY.lower() not in text.lower()
