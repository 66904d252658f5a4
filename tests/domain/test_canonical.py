from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.canonical import canonical, hash_of
from wallarm_notify.schemas.read import value_hash

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OWN = {
    "id": "0d4f5f4e-3a50-4b5e-8e2f-3c6a3f1f8a11",
    "client_id": 1,
    "type": "trigger.created",
    "occurred_at": "2026-03-01T09:30:00+00:00",
}


@given(fields=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_an_event_of_ours_has_the_hash_that_it_would_have_from_a_producer(
    fields: dict[str, Any],
) -> None:
    body = {**fields, **OWN}
    assert hash_of(body) == value_hash(canonical(body))


@pytest.mark.parametrize(("one", "other"), [(60.0, 60), (1e22, 10**22), ("\ud800", "\ufffd")])
def test_two_spellings_of_one_value_have_one_hash(one: Any, other: Any) -> None:
    assert hash_of({**OWN, "ratio": one}) == hash_of({**OWN, "ratio": other})


def test_another_value_has_another_hash() -> None:
    assert hash_of({**OWN, "ratio": 60}) != hash_of({**OWN, "ratio": 61})


def test_canonical_json_is_compact_sorted_ascii() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "é\ud800"}) == (
        '{"a":"\\u00e9\\ud800","b":[1,2.5,null,true]}'
    )


def test_canonical_json_of_the_deepest_is_the_same_by_the_other_way() -> None:
    deep = json.loads("[" * 900 + '{"b":1,"a":[]}' + "]" * 900)
    for _ in range(100_000):
        deep = [deep]

    assert canonical(deep) == "[" * 100_900 + '{"a":[],"b":1}' + "]" * 100_900


def test_canonical_json_knows_an_end_of_what_has_none() -> None:
    endless: list[Any] = [1]
    endless.append(endless)

    assert canonical(endless) == "[1,null]"
