"""``events.ingest`` with arbitrary JSON: every distinct value is received once, and the ledger balances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from build import an_event_object
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.schemas.read import read_call, value_hash
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from build import Bench

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.dictionaries(
    st.sampled_from(["id", "client_id", "type", "occurred_at", "risk", "title", "note"]),
    JSON,
    max_size=3,
).map(lambda odd: {**an_event_object(), **odd})


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(call=st.lists(JSON | NEARLY | st.builds(an_event_object), max_size=12) | JSON)
def test_nothing_of_any_call_is_lost(bench: Bench, call: Any) -> None:
    if not bench.sql("SELECT FROM integrations LIMIT 1"):
        bench.integration()
        bench.trigger(threshold="0 in 1h", condition="attacks_exceeded")
    for events, rejections in (read_call((), {"events": call}), read_call([call], {})):
        ingest(bench.ctx, events, rejections)
    endpoints = call if isinstance(call, list) else [{"args": [], "kwargs": {"events": call}}]
    for thing in endpoints:
        kept = bench.value(
            """SELECT (SELECT count(*) FROM rejected WHERE body_hash = :hash)
                    + (SELECT count(*) FROM events WHERE body_hash = :hash)""",
            hash=value_hash(canonical(thing)),
        )
        assert kept == 1
    assert bench.ledger().findings == []
