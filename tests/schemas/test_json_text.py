"""JSON is read piece by piece where it cannot be read as a whole."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.schemas.json_text import NoJson, Piece, outline_of, text_of, value_of


def parts_of(text: str) -> list[str]:
    return [piece.text for piece in outline_of(text, 1).inner or ()]


def fields_of(text: str) -> dict[str, str]:
    return {name: piece.text for name, piece in outline_of(text, 1).fields.items()}


def read(piece: Piece, levels: int) -> Any:
    """The value that a piece is, worked out of its pieces as far as they go."""
    if piece.text.startswith("[") and levels:
        assert piece.items is not None
        return [read(item, levels - 1) for item in piece.items]
    if piece.text.startswith("{") and levels:
        return {name: read(value, levels - 1) for name, value in piece.fields.items()}
    assert piece.inner is None
    return json.loads(piece.text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(VALUES), st.booleans(), st.sampled_from([None, 1]))
def test_the_parts_of_a_list_are_its_items(items: list[Any], ascii_only: bool, indent: Any) -> None:
    text = json.dumps(items, ensure_ascii=ascii_only, indent=indent)
    assert [json.loads(part) for part in parts_of(text)] == items


@given(
    st.lists(VALUES) | st.dictionaries(st.text(), VALUES),
    st.integers(1, 4),
    st.sampled_from([None, 1]),
)
def test_what_is_in_a_list_or_object_is_known_over_as_many_levels_as_asked_for(
    value: Any, levels: int, indent: Any
) -> None:
    assert read(outline_of(json.dumps(value, indent=indent), levels), levels) == value


def test_two_lists_between_two_commas_are_no_list() -> None:
    two, headed = outline_of("[[1] [2], x [1]]", 2).inner or ()
    assert (two.text, two.items) == ("[1] [2]", None)
    assert (headed.head, headed.text, headed.items) == ("x", "[1]", None)


@given(st.dictionaries(st.text(), VALUES), st.booleans())
def test_the_fields_of_an_object_are_its_names_and_values(
    value: dict[str, Any], ascii_only: bool
) -> None:
    fields = fields_of(json.dumps(value, ensure_ascii=ascii_only))
    assert {name: json.loads(text) for name, text in fields.items()} == value


@given(st.text(alphabet='[]{}",:\\x \n', max_size=30))
def test_whatever_the_text_it_has_parts_or_is_refused(text: str) -> None:
    try:
        parts = parts_of(text)
    except NoJson:
        return
    assert all(part and part in text for part in parts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no list and no object"),
        ("7", "is no list and no object"),
        ("[[1]", "do not match (character 5)"),
        ("[1}", "do not match (character 3)"),
        ('[{"a": ]}]', "do not match (character 8)"),
        ('["a, 1]', "do not match (character 2)"),
        ("[1] 2", "goes on after its end (character 4)"),
        ("[1][2]", "goes on after its end (character 4)"),
    ],
)
def test_a_text_whose_brackets_or_quotes_do_not_match_has_no_parts(text: str, words: str) -> None:
    with pytest.raises(NoJson) as refused:
        parts_of(text)
    assert words in str(refused.value)


def test_a_comma_too_many_is_no_part() -> None:
    assert parts_of("[1,,2, ]") == ["1", "2"]
    assert parts_of("[ ]") == parts_of("{}") == []


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    assert fields_of(r'{"a": 1, "\u0061": [2]}') == {"a": "[2]"}


@pytest.mark.parametrize("text", ["[1]", '{"a"}', "{a: 1}", '{"a": 1, 2}', "7"])
def test_what_is_no_object_has_no_fields(text: str) -> None:
    with pytest.raises(NoJson):
        fields_of(text)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_a_text_is_read_in_all_encodings_of_json(encoding: str) -> None:
    assert text_of('["é"]'.encode(encoding)) == '["é"]'


@pytest.mark.parametrize(
    "raw", [b'\xef\xbb\xbf["a"]', b'["a"]\n\0', memoryview(b' ["a"]'), '\ufeff["a"]']
)
def test_what_stands_around_json_is_left_out(raw: Any) -> None:
    assert text_of(raw) == '["a"]'


def test_marks_that_celery_makes_are_read_and_others_are_data() -> None:
    known = "4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60"
    text = f'[{{"__type__": "uuid", "__value__": {{"hex": "{known}"}}}}, {{"__type__": 1, "__value__": 2}}]'
    assert value_of(text) == [uuid.UUID(known), {"__type__": 1, "__value__": 2}]


@pytest.mark.parametrize("levels", [33, 5000, 500_000])
def test_no_depth_makes_reading_stumble(levels: int) -> None:
    with pytest.raises(NoJson, match="is nested over 32 levels deep"):
        value_of("[" * levels + "]" * levels)
    assert value_of("[" * 32 + "]" * 32)
    assert value_of(json.dumps("[" * levels)) == "[" * levels
