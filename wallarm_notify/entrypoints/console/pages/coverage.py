"""Coverage: of which events whom a client's rules notify, and of which nobody."""

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.coverage import Extent, blocks
from wallarm_notify.domain.coverage_words import (
    hole_sentences,
    idle_sentences,
    part_sentence,
    way_words,
)
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited
from wallarm_notify.services.coverage import show_coverage

router = APIRouter(route_class=PageRoute)


@router.get("/coverage")
@needs(Thing.COVERAGE, Verb.VIEW)
def show(visit: Visited) -> Response:
    """Show what a client's rules cover, its holes first; of several clients somebody chooses one."""
    client_id = visit.shell.only_client
    if client_id is None:
        return visit.page("choose_client.html", title="Coverage")
    coverage = show_coverage(visit.pages, visit.scope, client_id)
    holes = sum(one.extent is Extent.NONE for one in coverage.kinds)
    return visit.page(
        "coverage.html",
        coverage=coverage,
        blocks=blocks(coverage),
        holes=holes,
        hole_sentences=hole_sentences(coverage),
        part_sentence=part_sentence(coverage),
        idle_sentences=idle_sentences(coverage),
        way_words=way_words,
    )
