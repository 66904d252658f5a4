from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.canonical import canonical, hash_of
from wallarm_notify.schemas import value_hash

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
