"""What came out of a list of Redis is a message wherever it can be read at all."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from wallarm_notify.broker.redis_message import decoded, well_formed

HEADERS = b'"headers":{"task":"events.ingest","id":"a"}'


def message(raw: bytes) -> dict[str, Any]:
    return well_formed(decoded(raw), "events")


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b'{"body":"[[],{},{}]",%s,"x":"\x80"}', "[[],{},{}]"),
        (b'{"body":"[[[\x80]],{},{}]",%s}', "[[[\ufffd]],{},{}]"),
        (b'{"body":"[[],\n{},{}]",%s}', "[[],\n{},{}]"),
        (b'\xef\xbb\xbf{"body":"[[],{},{}]",%s}\0', "[[],{},{}]"),
        (b'{"body":[[7' + b"7" * 4300 + b"],{},{}],%s}", "[[7" + "7" * 4300 + "],{},{}]"),
        (b'{"body":' + b"[" * 300 + b"]" * 300 + b",%s}", "[" * 300 + "]" * 300),
        (b'{"body":[{"__type__":"uuid","__value__":1}],%s}', '[{"__type__":"uuid","__value__":1}]'),
    ],
)
def test_a_message_that_cannot_be_read_as_a_whole_is_read_field_by_field(
    raw: bytes, body: str
) -> None:
    read = message(raw.replace(b"%s", HEADERS))
    assert read["headers"] == {"task": "events.ingest", "id": "a"}
    assert read["body"] == body
    assert read["properties"].get("body_encoding") is None


def test_an_encoded_body_stays_encoded() -> None:
    body = base64.b64encode(b"\xff").decode()
    raw = b'{"body":"%s","properties":{"body_encoding":"base64"},"headers":{"h":"\t"}}'
    read = message(raw.replace(b"%s", body.encode()))
    assert (read["body"], read["properties"]["body_encoding"]) == (body, "base64")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b'{"body":"x"',
        b'{"body":"x","h":"\t"}',
        b'{"headers":{},"h":"\t"}',
        b'{"body":"x","headers":{"x":' + b"7" * 4301 + b"}}",
        b'{"body":"\\q","headers":{}}',
    ],
)
def test_what_is_no_message_is_kept_as_the_body_of_one(raw: bytes) -> None:
    read = message(raw)
    assert base64.b64decode(read["body"]) == raw
    assert read["headers"] == {}


def test_what_can_be_read_is_read_as_kombu_does() -> None:
    given = {"body": "x", "headers": {"task": "t"}, "properties": {"body_encoding": None}}
    assert decoded(json.dumps(given).encode()) == given
