"""What the benchmark of the console reckons with."""

from __future__ import annotations

from typing import Any

from benchmarks.console import OPEN, _times, polls_in, table


def test_a_page_that_goes_on_asking_is_known_by_what_its_browser_would_do() -> None:
    html = (
        '<div id="newer" role="status" hx-get="/notifications?newer_than=3&amp;client_id=1" hx-trigger="every 15s">'
        '</div><form hx-get="/integrations" hx-trigger="input delay:300ms"></form>'
    )
    assert polls_in(html) == [("/notifications?newer_than=3&client_id=1", 15)]


def test_consoles_that_are_open_do_not_all_ask_at_once_and_each_at_its_times() -> None:
    times = list(_times(5, 20))
    assert len(times) == OPEN * 4
    assert len(set(times)) == len(times)
    assert max(times) < 20


def result(**page: float) -> dict[str, Any]:
    shown = {"p50": 10.0, "p99": 20.0, "bytes": 20_000, **page}
    return {"stored": 1000, "pages": {"coverage": shown}, "assets": {"/a": 130_000}, "open": {}}


def test_what_misses_what_is_asked_is_named() -> None:
    assert table(result())[-1].endswith("Met by all.")
    for page in ({"p50": 51.0}, {"p99": 151.0}, {"bytes": 60_001}):
        assert table(result(**page))[-1].endswith("Missed by: coverage.")
    heavy = {**result(), "assets": {"/a": 130_000, "/b": 10_001}, "open": {"overview": 5.1}}
    assert table(heavy)[-1].endswith("Missed by: assets, open overview.")
