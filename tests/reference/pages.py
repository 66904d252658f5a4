"""Each page of docs/reference/, and what makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from documents import DOCS

from reference.commands import commands_page
from reference.events import events_page
from reference.log_lines import log_page
from reference.metrics import metrics_page
from reference.settings import settings_page
from reference.tasks import tasks_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FOLDER: Final[Path] = DOCS / "reference"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "tasks.md": tasks_page,
    "events.md": events_page,
    "metrics.md": metrics_page,
    "log.md": log_page,
}
