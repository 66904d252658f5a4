"""Whose a thing is: where somebody reaches several clients and has chosen none, a page asks, and takes none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entrypoints.command_line import KEY
from entrypoints.console.test_pages import check_page
from entrypoints.console.web import person
from wallarm_notify.domain.actor import Role

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

FORM = {"name": "SOC", "region": "us", "had_all_risks": "0", "key": KEY, "events": "system"}


@pytest.fixture
def several(line: CommandLine) -> CommandLine:
    """Two clients, the second with a name."""
    line.ok("clients", "set", 1, "--cloud", "us")
    line.ok("clients", "set", 2, "--name", "Beta", "--cloud", "eu")
    return line


def made(line: CommandLine) -> list[tuple[int, str]]:
    """The client and the name of each integration."""
    return [(m["client_id"], m["name"]) for m in line.json("integrations", "list")["items"]]


@pytest.mark.parametrize("path", ["/integrations/new", "/integrations/new/test"])
@pytest.mark.parametrize("chosen", ["", "0", "x", "9" * 19])
def test_a_form_that_was_sent_without_a_client_is_refused_with_the_choice(
    api: HttpApi, several: CommandLine, sandbox: SandboxClient, path: str, chosen: str
) -> None:
    answer = person(api, Role.OPERATOR).send(path, {**FORM, "client_id": chosen})
    page = check_page(answer)
    assert (answer.status_code, "choose the client" in page.text) == (400, True)
    assert KEY not in answer.text
    assert (made(several), sandbox.requests()) == ([], [])


def test_the_form_asks_for_the_client_and_chooses_none_by_itself(
    api: HttpApi, several: CommandLine
) -> None:
    page = check_page(person(api, Role.OPERATOR).get("/integrations/new"))
    (field,) = [one for one in page.all("select") if one.get("name") == "client_id"]
    assert "required" in field
    numbers = [o["value"] for o in page.all("option") if o["value"] not in ("us", "eu")]
    assert numbers == ["", "1", "2"]
    assert [o["value"] for o in page.all("option") if "selected" in o] in (["", "us"], ["us"])
    assert "Beta, client 2" in page.text


def test_the_client_that_was_chosen_in_the_form_has_the_integration(
    api: HttpApi, several: CommandLine
) -> None:
    done = person(api, Role.OPERATOR).send("/integrations/new", {**FORM, "client_id": "2"})
    assert (done.status_code, made(several)) == (303, [(2, "SOC")])


def test_a_client_that_was_chosen_before_is_named_and_not_asked_for(
    api: HttpApi, several: CommandLine
) -> None:
    operator = person(api, Role.OPERATOR)
    page = operator.page("/integrations/new?client_id=2")
    assert "For Beta , client 2" in page.text
    assert not [one for one in page.all("select") if one.get("name") == "client_id"]
    done = operator.send("/integrations/new?client_id=2", {**FORM, "client_id": "1"})
    assert (done.status_code, made(several)) == (303, [(2, "SOC")])


def test_where_there_is_no_client_yet_the_form_asks_for_its_number(
    api: HttpApi, line: CommandLine
) -> None:
    operator = person(api, Role.OPERATOR)
    page = check_page(operator.get("/integrations/new"))
    assert [one for one in page.all("input") if one.get("name") == "client_id"]
    assert operator.send("/integrations/new", {**FORM, "client_id": "7"}).status_code == 303
    assert made(line) == [(7, "SOC")]


def test_whoever_has_one_client_is_not_asked_and_reaches_no_other(
    api: HttpApi, several: CommandLine
) -> None:
    admin = person(api, Role.ADMINISTRATOR)
    assert "client_id" not in {f.get("name") for f in admin.page("/integrations/new").all("input")}
    assert admin.send("/integrations/new", {**FORM, "client_id": "2"}).status_code == 303
    assert made(several) == [(1, "SOC")]


def test_coverage_asks_whose_it_is_to_show_and_names_whose_it_shows(
    api: HttpApi, several: CommandLine
) -> None:
    operator = person(api, Role.OPERATOR)
    asked = check_page(operator.get("/coverage"))
    assert "choose whose" in asked.text
    assert "Nobody is told" not in asked.text
    assert {"/coverage?client_id=1", "/coverage?client_id=2"} <= {a["href"] for a in asked.all("a")}
    assert "Of Beta, client 2." in check_page(operator.get("/coverage?client_id=2")).text
