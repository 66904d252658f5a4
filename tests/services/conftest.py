from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make_bench(database_url: str) -> Iterator[Callable[..., Bench]]:
    """Yield what makes the use cases over this test's database, as often as asked."""
    made: list[Bench] = []

    def make(**settings: object) -> Bench:
        made.append(Bench(database_url, **settings))  # type: ignore[arg-type]  # the settings of Bench
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
