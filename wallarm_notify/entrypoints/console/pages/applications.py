"""Applications: the numbers that events have, with the names that alerts show."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from wallarm_notify.domain.application import Application
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.page import page_of
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.filters import DEFAULT_APPLICATION
from wallarm_notify.entrypoints.api.fields import DIGITS, LARGEST_ID
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.settings import ROWS, RowsAsked
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited, client_number
from wallarm_notify.services.manage_applications import (
    create_application,
    delete_application,
    list_applications,
    rename_application,
)

router = APIRouter(route_class=PageRoute)

ApplicationId = Annotated[int, Path(ge=-1, le=LARGEST_ID), DIGITS]


@router.get("/settings/applications")
@needs(Thing.APPLICATIONS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[RowsAsked, Query()]) -> Response:
    """Show the applications of a client; of several clients somebody chooses one."""
    client_id = visit.shell.only_client
    if client_id is None:
        return visit.page("choose_client.html", title="Applications")
    found = list_applications(visit.pages, visit.scope, [client_id])
    after = asked.cursor
    rest = [one for one in found if after is None or one.id > after]
    page = page_of(rest, ROWS, lambda one: one.id)
    return visit.page("applications.html", page=page, asked=asked, number=len(found))


@router.get("/settings/applications/new")
@needs(Thing.APPLICATIONS, Verb.CREATE)
def ask(visit: Visited) -> Response:
    """Show the form of a new application."""
    return _form(visit)


@router.post("/settings/applications/new")
@needs(Thing.APPLICATIONS, Verb.CREATE)
def create(visit: Visited) -> Response:
    """Store a new application."""
    try:
        create_application(
            *(visit.ctx, visit.actor, visit.scope, visit.one_client()),
            application_id=_number(visit.text("id")),
            name=visit.text("name"),
        )
    except Refused as error:
        return _form(visit, {error.field or "id": error.sentence})
    return visit.go("/settings/applications")


@router.get("/settings/applications/{application_id}")
@needs(Thing.APPLICATIONS, Verb.UPDATE)
def ask_name(visit: Visited, application_id: ApplicationId) -> Response:
    """Show one application, to be renamed or deleted."""
    client_id = visit.shell.only_client
    if client_id is None:
        return visit.page("choose_client.html", title="Applications")
    return _application(visit, client_id, application_id)


@router.post("/settings/applications/{application_id}/rename")
@needs(Thing.APPLICATIONS, Verb.UPDATE)
def rename(visit: Visited, application_id: ApplicationId) -> Response:
    """Give an application another name."""
    client_id = _whose(visit)
    try:
        rename_application(
            *(visit.ctx, visit.actor, visit.scope, client_id, application_id),
            name=visit.text("name"),
        )
    except Refused as error:
        if error.field != "name":
            raise
        shown = {"entered": visit.text("name"), "error": error.sentence, "status": 400}
        return _application(visit, client_id, application_id, **shown)
    return visit.go("/settings/applications")


@router.post("/settings/applications/{application_id}/delete")
@needs(Thing.APPLICATIONS, Verb.DELETE)
def delete(visit: Visited, application_id: ApplicationId) -> Response:
    """Delete an application."""
    delete_application(visit.ctx, visit.actor, visit.scope, _whose(visit), application_id)
    return visit.go("/settings/applications")


def _number(text: str) -> int | None:
    """Return the number that was entered; None: the next one. Raise Refused."""
    number = client_number(text)
    if text and number is None:
        raise Refused("give a whole number from 1 on, or none.", field="id")
    return number


def _whose(visit: Visit) -> int:
    """Return the client whose application is meant. Raise Refused where nobody chose one."""
    client_id = visit.shell.only_client
    return visit.one_client() if client_id is None else client_id


def _application(visit: Visit, client_id: int, application_id: int, **shown: Any) -> Response:
    found = _there(visit, client_id, application_id)
    return visit.page(
        "application.html",
        application=found,
        is_default=application_id == DEFAULT_APPLICATION,
        **{"entered": found.name, "error": None, **shown},
    )


def _there(visit: Visit, client_id: int, application_id: int) -> Application:
    for one in list_applications(visit.pages, visit.scope, [client_id]):
        if one.id == application_id:
            return one
    raise NotFound(f"There is no application {application_id}.")


def _form(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    return visit.page(
        "application_form.html",
        status=400 if errors else 200,
        entered={name: visit.text(name) for name in ("client_id", "id", "name")},
        errors=errors or {},
    )
