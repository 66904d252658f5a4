"""Which processes are there, and what can be asked of servers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # publishes no types
import redis
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def connection(url: str) -> Iterator[sa.Connection]:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as opened:
        yield opened


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def children() -> list[psutil.Process]:
    """This process's own: those of its servers come and go."""
    return psutil.Process().children()  # type: ignore[no-any-return]  # as above
