"""Pictures: of each page that there is, about things that are found, under a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from devstack.families import connection

from pictures.pages import _EXAMPLES, _IN_TROUBLE, _PARAMETER, is_file, pages_of
from wallarm_notify.devstack.past import stop_clock
from wallarm_notify.entrypoints.console.app import page_routes, paths_of

if TYPE_CHECKING:
    import pytest

AT = datetime(2026, 3, 17, 2, 12, tzinfo=UTC)


def test_whatever_a_path_names_has_an_example(subtests: pytest.Subtests) -> None:
    for route in page_routes():
        if "GET" in (route.methods or ()) and route.right.needs_token:
            with subtests.test(route.path):
                assert set(_PARAMETER.findall(route.path)) <= set(_EXAMPLES)


def test_where_there_is_nothing_there_are_the_pages_about_no_single_thing(
    database_url: str,
) -> None:
    pages = list(pages_of(database_url, "trouble"))
    shown = {page.path.partition("?")[0] for page in pages}
    about_all = {path for path in paths_of(page_routes()) if "{" not in path}
    assert {path for path in about_all if not is_file(path)} <= shown
    assert not {path for path in about_all if is_file(path)} & shown
    assert not any("{" in path for path in shown)
    assert len({page.name for page in pages}) == len(pages)
    whose = {page.path: page.client_id for page in pages}
    assert whose["/notifications"] == _IN_TROUBLE["notifications"]


def test_a_stopped_clock_stands_still_for_whoever_connects_and_in_what_columns_fill_in(
    database_url: str,
) -> None:
    stop_clock(database_url, AT)
    with connection(database_url) as opened:
        assert opened.execute(sa.text("SELECT now(), clock_timestamp()")).one() == (AT, AT)
        opened.execute(sa.text("INSERT INTO undecodable (reason, body, size) VALUES ('x', '', 0)"))
        assert opened.scalar(sa.text("SELECT received_at FROM undecodable")) == AT
