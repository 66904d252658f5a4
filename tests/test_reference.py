"""The pages of docs/reference/ are as the code has them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from documents import DOCS, ROOT, read
from reference.log_lines import lines_of_the_log
from reference.pages import FOLDER, PAGES
from reference.settings import meanings_of_settings

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.settings import Settings
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_reference_is_as_the_code_has_it(tmp_path: Path) -> None:
    # In a process of its own: settings of other tests, which Celery reads once, would stand in its pages.
    subprocess.run(
        [sys.executable, "-m", "reference", str(tmp_path)],
        cwd=ROOT / "tests",
        check=True,
        timeout=120,
    )
    assert {one.name for one in FOLDER.iterdir()} == {*PAGES}
    for name in PAGES:
        assert read(FOLDER / name) == read(tmp_path / name), "write it anew: make reference"


def test_every_setting_has_a_meaning() -> None:
    assert {*meanings_of_settings()} == {*Settings.model_fields}


def test_the_reference_has_every_event_type_and_every_queue() -> None:
    events = re.findall(r"^## `([a-z_.]+)`$", read(FOLDER / "events.md"), re.MULTILINE)
    assert events == list(EVENT_TYPES)
    tasks = read(FOLDER / "tasks.md")
    assert all(f"| `{queue}` |" in tasks for queue in QUEUES)


def test_the_warnings_and_errors_of_the_reference_are_those_of_the_runbooks() -> None:
    lines = lines_of_the_log()
    serious = {name for name, line in lines.items() if not line.levels <= {"info", "debug"}}
    runbooks = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", read(DOCS / "runbooks.md"), re.MULTILINE)
    assert serious == {*runbooks}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("api.answered", {"method", "call", "status", "ms", "user", "token"}),
        ("pagerduty.outage", {"region", "attempted", "affected", "hint"}),
        ("notification.failed", {"notification", "integration", "attempts", "reason"}),
        ("broker.may_evict", {"reason"}),
    ],
)
def test_fields_of_a_line_are_found_however_they_are_written(name: str, fields: set[str]) -> None:
    assert lines_of_the_log()[name].fields == fields
