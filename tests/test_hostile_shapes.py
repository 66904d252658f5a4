"""No shape of an event costs much more than a plain one of its size."""

import gc
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from statistics import median
from typing import Any

import pytest
from build import an_event_object
from clock_rate import seconds_to_look_through
from kombu.utils.json import loads

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import render
from wallarm_notify.schemas.call_text import call_in, read_call_text
from wallarm_notify.schemas.json_text import NoJson
from wallarm_notify.schemas.read import read_event
from wallarm_notify.schemas.storable import is_deep

BYTES = 250_000

DEAREST = 25
"""How much dearer than plain text a kilobyte may be: lists of a hundred thousand things cost something."""

CLIENT = Client(1, "Example", "us", "Wallarm")
KEY = IntegrationKey("0123456789abcdef0123456789ABCDEF")


def nested(levels: int, leaf: Any, name: str = "k") -> Any:
    for _ in range(levels):
        leaf = {name: leaf}
    return leaf


def times(text: str) -> str:
    return text * (BYTES // (len(json.dumps(text)) - 2))


PLAIN = {"path": times("some words ")}

SHAPES: dict[str, dict[str, Any]] = {
    "as many digits as are permitted, again and again": {"path": times("9" * 4300 + " ")},
    "one digit, again and again": {"path": times("1.")},
    "whole numbers of 4300 digits": {"x": [int("9" * 4300)] * (BYTES // 4302)},
    "small numbers": {"x": [1] * (BYTES // 3)},
    "small numbers beside a word that no number is": {"path": "NaN", "x": [1] * (BYTES // 3)},
    "empty objects": {"x": [{}] * (BYTES // 4)},
    "brackets in a text": {"path": times("{[")},
    "backslashes": {"path": times("\\")},
    "quotes": {"path": times('"')},
    "half characters": {"path": times("\ud800")},
    "NULs": {"path": times("\0")},
    "a NUL and a lot": {"path": "\0" + times("a")},
    "a NUL and small numbers": {"path": "\0", "x": [1] * (BYTES // 3)},
    "a NUL and backslashes": {"path": "\0" + times("\\")},
    "texts that only look like NULs": {"path": times("\\u0000")},
    "halves of pairs the wrong way round": {"path": times("\ude00\ud83d")},
    "characters of two halves": {"path": times("😀")},
    "half a pair after each": {"path": times("😀\ud83d")},
    "names of fields with NULs": {f"k\0{n}": 0 for n in range(BYTES // 19)},
    "names of fields that become the same": {
        "".join(map(chr, (0xD800 + n % 64, 0xD800 + n // 64 % 64, 0xD800 + n // 4096))): 0
        for n in range(BYTES // 25)
    },
    "letters that are not English": {"path": times("ж")},
    "floats that are whole": {"x": [12.0] * (BYTES // 6)},
    "floats that are whole and long": {"x": [1e38] * (BYTES // 7)},
    "exponents": {"x": [1e308] * (BYTES // 7)},
    "whole numbers of 64 bits as floats": {"x": [9.2e18] * (BYTES // 9)},
    "texts that only look like floats": {"path": times(".0,e+")},
    "fields by the name of a time": {"x": [{"occurred_at": "2026"}] * (BYTES // 24)},
    "NaN": {"x": [float("nan")] * (BYTES // 5)},
    "many fields": {f"k{n}": 0 for n in range(BYTES // 13)},
    "many changes": {
        "type": "rule.updated",
        "rule_id": 1,
        "changes": {f"k{n}": {} for n in range(BYTES // 14)},
    },
    "deep down with long names, and many": {
        "y": "\ud800",
        "x": nested(30, ["a"] * (BYTES // 8), "k" * 3000),
    },
    "often too deep": {"x": [nested(60, 1)] * (BYTES // 420)},
    "a list of what is wrong": {
        "type": "api.changed",
        "method": "GET",
        "host": "h",
        "path": "/",
        "change_type": "added",
        "sensitive_data": [1] * (BYTES // 3),
    },
    "a long id": {"id": times("a")},
    "a long type": {"type": times("a")},
    "a time with many digits": {"occurred_at": f"2026-03-01T12:00:00.{times('0')}Z"},
    "blanks before an end": {"title": times(" ") + "x"},
    "controls": {"title": times("\x1b")},
    "what turns the direction": {"title": times("\u202e")},
}


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    """It looks at everything that the tests before left alive, which takes longer than what is timed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def seconds_per_kilobyte(body: dict[str, Any], *, sent: bool = True) -> float:
    """What reading an event takes, from the message's text, to what PagerDuty is ``sent``."""
    text = json.dumps(body)
    began = time.process_time()
    read = loads(text)
    is_deep(read, 256)
    event = read_event(read)
    if sent and isinstance(event, Event):
        encode(render(event, CLIENT, dedup_key="d", console_host=None), KEY)
    return (time.process_time() - began) / len(text)


@pytest.mark.timing
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_takes_time_by_the_kilobyte_whatever_the_shape(shape: str) -> None:
    plain, odd = an_event_object(**PLAIN), an_event_object(**SHAPES[shape])
    assert len(json.dumps(odd)) > BYTES * 0.8
    ratios = [seconds_per_kilobyte(odd) / seconds_per_kilobyte(plain) for _ in range(5)]
    assert median(ratios) < DEAREST, ratios


TEXTS: dict[str, str] = {
    "a number": '{"x":' + "7" * BYTES + "}",
    "levels": "[" * (BYTES // 2) + "]" * (BYTES // 2),
    "levels, again and again": ",".join(["[" * 40 + "]" * 40] * (BYTES // 81)),
    "levels that are never closed": "[" * BYTES,
    "lists and objects in turn": '[{"":' * (BYTES // 7) + "0" + "}]" * (BYTES // 7),
    "empty lists": '{"x":[' + "[]," * (BYTES // 3) + "nul]}",
    "quotes that are never closed": '"' + '\\"' * (BYTES // 2),
    "backslashes": '"' + "\\\\" * (BYTES // 2) + '"nul',
    "short texts": "[" + '"",' * (BYTES // 3) + "nul]",
    "commas": "[" + "," * BYTES + "]",
    "fields": "{" + ",".join(f'"k{n}":01' for n in range(BYTES // 12)) + "}",
    "marks": "[" + '{"__type__":1,"__value__":1},' * (BYTES // 29) + "nul]",
    "control characters": '{"x":"' + "\t" * BYTES + '"}',
    "a long fraction": '{"x":1.' + "1" * BYTES + "}",
}
"""Texts that cannot be read as a whole; each is read as one event and as many."""


def seconds_per_byte(events: str) -> float:
    """What the parent of a worker's processes takes, and the process that stores the events."""
    text = '[[],{"events":[' + events + "]},{}]"
    began = time.process_time()
    with suppress(NoJson):
        assert call_in(text).events
        read_call_text(text)
    return (time.process_time() - began) / len(text)


@pytest.mark.timing
@pytest.mark.parametrize("shape", TEXTS)
def test_what_cannot_be_read_as_a_whole_takes_time_by_its_length(shape: str) -> None:
    whole = TEXTS[shape]
    twice = f"{whole},{whole}"
    ratios = [seconds_per_byte(twice) / seconds_per_byte(whole) for _ in range(5)]
    assert median(ratios) < 2.5, ratios


@pytest.mark.timing
@pytest.mark.parametrize("shape", TEXTS)
def test_who_takes_messages_for_all_processes_passes_it_on_at_once(shape: str) -> None:
    """A message of 250 kB holds nobody up."""
    text = '[[],{"events":[' + TEXTS[shape] + "]},{}]"
    ratios = []
    for _ in range(9):
        began = time.process_time()
        with suppress(NoJson):
            call_in(text)
        ratios.append((time.process_time() - began) / seconds_to_look_through(text))
    assert median(ratios) < DEAREST, ratios


@pytest.mark.timing
@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e999999999", "1e308", "1e38", "12.0"])
def test_short_texts_make_no_long_numbers(number: str) -> None:
    plain, odd = an_event_object(**PLAIN), an_event_object(x=[4711] * (BYTES // (len(number) + 2)))
    text = json.dumps(odd).replace("4711", number)
    ratios = []
    for _ in range(5):
        began = time.process_time()
        assert len(read_event(json.loads(text)).text) < 2 * BYTES
        took = (time.process_time() - began) / len(text)
        ratios.append(took / seconds_per_kilobyte(plain, sent=False))
    assert median(ratios) < DEAREST, ratios


@pytest.mark.timing
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_much_takes_no_more_by_the_kilobyte(shape: str) -> None:
    """A loop within a loop would show here, however quick it is at this size.

    What is sent is left out: what PagerDuty would refuse for its size is cut to fit, which smaller ones need not.
    """
    whole = SHAPES[shape]
    half = {name: _half(value) for name, value in whole.items()}
    ratios = [
        seconds_per_kilobyte(an_event_object(**whole), sent=False)
        / seconds_per_kilobyte(an_event_object(**half), sent=False)
        for _ in range(7)
    ]
    assert median(ratios) < 2.5, ratios


def _half(value: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        return dict(items[: len(items) // 2 or 1])
    return (
        value[: len(value) // 2] if isinstance(value, str | list) and len(value) > 1000 else value
    )
