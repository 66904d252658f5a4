"""A log is read by people and by machines, and strangers write into it."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.logs import JsonFormatter, LineFormatter, set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = "x\n2026-01-01T00:00:00+0000 ERROR forged"
UNSEEN = ["\x1b[2J", "\x07", "\r", "\x9b31m", "\u202e", "\u2066", "\u2028", "\u2029", "\x85", "\0"]


def line(message: str, *args: Any, name: str = "tasks.routing", **extra: Any) -> str:
    record = logging.LogRecord(name, logging.INFO, "", 0, message, args, None)
    vars(record).update(extra)
    return LineFormatter().format(record)


@pytest.mark.parametrize("name", ["tasks.routing", "celery.worker.strategy", "urllib3"])
def test_a_record_is_one_line_whoever_writes_it(name: str) -> None:
    sentence = line("Task events.ingest[%s] received", FORGED, name=name)
    assert sentence.splitlines() == [sentence]
    assert r"[x\n2026-01-01T00:00:00+0000 ERROR forged] received" in sentence


@pytest.mark.parametrize("odd", UNSEEN)
def test_what_moves_a_terminal_or_grants_a_text_is_spelt_out(odd: str) -> None:
    sentence = line("task %s", f"a{odd}b", error=f"c{odd}d")
    assert odd not in sentence
    assert odd[0].encode("unicode_escape").decode() in sentence


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_whatever_a_value_is_it_is_one_line_that_can_be_written(text: str) -> None:
    sentence = line("%s", text, value=text)
    sentence.encode()
    assert len(sentence.splitlines()) == 1
    assert all(c == " " or c.isprintable() or ord(c) > 0x9F for c in sentence)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        (7, "7"),
        ([1, 2], "[1, 2]"),
        ("two words", '"two words"'),
        ('a" level=ERROR x="', r'"a\" level=ERROR x=\""'),
        ("a=b", '"a=b"'),
        ("back\\ slash", r'"back\\ slash"'),
        ("[not a list", '"[not a list"'),
        ("", ""),
    ],
)
def test_no_value_can_be_taken_for_two(value: Any, shown: str) -> None:
    assert line("step", error=value).endswith(f"step error={shown}")


def fail() -> None:
    raise ValueError(FORGED + "\x1b[2J")


def test_no_line_of_a_traceback_can_be_taken_for_a_record() -> None:
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("tasks", logging.ERROR, "", 0, "fault", (), sys.exc_info())
    first, *rest = LineFormatter().format(record).split("\n")
    assert first.endswith("ERROR fault")
    assert all(one.startswith("    ") for one in rest)
    assert "    2026-01-01T00:00:00+0000 ERROR forged\\x1b[2J" in rest


def in_json(message: str, name: str = "tasks.routing", node: str = "", **extra: Any) -> str:
    record = logging.LogRecord(name, logging.WARNING, "", 0, message, (), None)
    record.created = 1_767_225_600.25
    vars(record).update(extra)
    return JsonFormatter(node).format(record)


def test_in_json_a_record_has_its_name_fields_and_node_with_the_types_of_values() -> None:
    shown = json.loads(
        in_json(
            "step", node="first@host", level=45, ids=[1, 2], error="Connection refused", no=None
        )
    )
    assert shown == {
        "time": "2026-01-01T00:00:00.250+00:00",
        "severity": "WARNING",
        "message": "step",
        "level": 45,
        "ids": [1, 2],
        "error": "[Errno 111] Connection refused",
        "no": None,
        "node": "first@host",
    }


def test_in_json_too_only_our_own_records_have_fields() -> None:
    shown = json.loads(in_json("step", name="celery.worker", body="secret", left_out=3))
    assert {*shown} == {"time", "severity", "message", "left_out"}


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_in_json_too_a_record_is_one_line_whatever_a_value_is(text: str) -> None:
    sentence = in_json(text, value=text, node=text)
    assert sentence.isascii()
    assert sentence.isprintable()
    assert json.loads(sentence)["message"] == text


def test_in_json_a_traceback_is_a_field() -> None:
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("tasks", logging.ERROR, "", 0, "fault", (), sys.exc_info())
    sentence = JsonFormatter().format(record)
    assert sentence.isprintable()
    assert FORGED in json.loads(sentence)["traceback"]


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    names = ["", "wallarm_notify", "tasks", "celery", "celery.concurrency", "celery.pool"]
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


def test_a_debug_log_holds_no_arguments_of_tasks(
    monkeypatch: pytest.MonkeyPatch, loggers_as_before: None
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    set_up_logging("DEBUG")
    logging.getLogger("celery.concurrency.base").debug("Apply (kwargs: %s)", "ann@example.com")
    logging.getLogger("celery.pool").debug("TaskPool: Apply %s", "ann@example.com")
    logging.getLogger("celery.worker.request").debug("accepted")
    logging.getLogger("tasks.routing").debug("step")
    assert [one.split(" ", 2)[2] for one in written.getvalue().splitlines()] == ["accepted", "step"]


def test_logs_are_json_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, loggers_as_before: None
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    set_up_logging("INFO", "first@host", as_json=True)
    logging.getLogger("tasks.routing").info("step", extra={"events": 3})
    shown = json.loads(written.getvalue())
    assert (shown["message"], shown["events"], shown["node"]) == ("step", 3, "first@host")
