"""What can be measured of how every page looks: few sizes and weights, one left edge, nothing cut, nothing empty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from entrypoints.api.owned import owned, with_nobodys
from entrypoints.console.test_pages import PAGES, filled, reader_of

from browser.test_every_page import readers

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine
    from playwright.sync_api import Page

MEASURES: Final = Path(__file__).with_name("measures.js").read_text(encoding="utf-8")
WIDTHS: Final = (360, 1024, 1440)
MOST_SIZES: Final = 4
MOST_WEIGHTS: Final = 3

LONG: Final = (
    "Payments and settlements of all subsidiaries and Kapitänspatenterneuerungsverordnungsbehörde"
)


def measured(page: Page, width: int) -> dict[str, Any]:
    """What ``measures.js`` finds in a window of this width."""
    page.set_viewport_size({"width": width, "height": 900})
    found: dict[str, Any] = page.evaluate(MEASURES)
    return found


@pytest.mark.parametrize("name", ["Short", LONG], ids=["short", "long"])
def test_every_page_has_few_sizes_one_edge_and_nothing_cut(
    line: CommandLine, sign_in: Callable[..., Page], name: str, subtests: pytest.Subtests
) -> None:
    line.ok("clients", "set", 1, "--name", name)
    mine = with_nobodys(line, owned(line, 1))
    line.ok("integrations", "update", mine.integration_id, "--name", name)
    line.ok("triggers", "update", mine.trigger_id, "--name", name)
    people = readers(sign_in)
    for route in PAGES:
        page = people[reader_of(route)]
        page.goto(filled(route.path, mine))
        for width in WIDTHS:
            with subtests.test(route.path, width=width):
                found = measured(page, width)
                assert len(found["sizes"]) <= MOST_SIZES, found["sizes"]
                assert len(found["weights"]) <= MOST_WEIGHTS, found["weights"]
                assert found["beside"] == [], "not on the left edge"
                assert found["cut"] == [], "words that are cut"
                assert found["empty"] == [], "columns without anything"
                assert found["primary"] <= 1
                assert found["wide"] <= width
