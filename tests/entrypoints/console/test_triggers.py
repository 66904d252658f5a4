"""The pages of triggers: their list, their form, their firings, and what switches or deletes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from build import an_event_for

from entrypoints.api.owned import owned
from entrypoints.console.failing import flood
from entrypoints.console.form_fields import FormFields
from entrypoints.console.test_pages import HOSTILE, check_page
from entrypoints.console.web import Person, person
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.entrypoints.console.pages import trigger_form
from wallarm_notify.entrypoints.console.pages.trigger_form import OFFERED
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

ADMIN = Role.ADMINISTRATOR
ATTACKS = {"condition": "attacks_exceeded", "count": "30", "period": "1", "unit": "hours"}
ODD_TRIGGERS: list[dict[str, Any]] = [
    {
        "condition": "user_created",
        "filters": [{"id": "user_role", "values": ["admin", "Any, other"]}],
    },
    {
        "condition": "attacks_exceeded",
        "threshold": {"count": 10**12, "period": 90},
        "filters": [
            {"id": "attack_type", "operator": "ne", "values": ["xss", "sqli"]},
            {"id": "ip_address", "values": ["2001:db8::1", "203.0.113.7"]},
            {"id": "pool", "operator": "ne", "values": [-1, 4711]},
            {"id": "pool", "values": [3]},
            {"id": "response_status", "values": ["5xx", 404, 401]},
            {"id": "domain", "values": ["odd,host", "shop.example.com"]},
        ],
        "severity": "error",
        "group": "host",
        "comment": "\n two lines\r\n\tand a tab,\rand more ",
    },
    {
        "condition": "api_structure_changed",
        "filters": [
            {"id": "pii", "values": ["a, b", "email"]},
            {"id": "pii", "values": ["login"]},
            {"id": "change_type", "values": ["excluded", "added"]},
        ],
    },
    {
        "condition": "rogue_api_detected",
        "filters": [
            {"id": "api_spec_ids", "values": [-5, "12", 0, "x y"]},
            {"id": "deviation_type", "values": ["orphan"]},
        ],
        "group": "application",
    },
    {"condition": "hits_exceeded", "threshold": {"count": 0, "period": 2_592_000}},
]


def fields_of(somebody: Person, path: str) -> dict[str, list[str]]:
    """Return what the form on a page would send."""
    answer = somebody.get(path)
    assert answer.status_code == 200
    return FormFields(answer.text, "trigger-form").fields


def made(line: CommandLine) -> dict[str, Any]:
    """Return the newest trigger as the command line shows it."""
    listed: list[dict[str, Any]] = line.json("triggers", "list")["items"]
    return listed[-1]


def test_triggers_are_listed_as_sentences_by_state_with_their_counts(
    api: HttpApi, line: CommandLine
) -> None:
    _, trigger = flood(line)
    off = line.json("triggers", "list")["items"][0]["integration_ids"]
    line.ok(
        *("triggers", "create", "--client", 1, "--condition", "user_created", "--name", "People"),
        *("--integration", off[0], "--comment", "Call the owner"),
    )
    line.ok("triggers", "disable", trigger, "--until", "2h")
    admin = person(api, ADMIN)
    page = admin.page("/triggers")
    assert re.search("All 2 .*Enabled 1 .*Disabled 1", page.text)
    sentence = "When more than 30 attacks of type SQLi on shop.example.com within 1 hour, tell SOC primary and"
    assert sentence in page.text
    assert "Paused until" in page.text
    assert "Reaches nobody" in page.text
    assert "SOC primary (off)" in page.text
    assert "People" not in admin.page("/triggers?show=disabled").text
    assert "SQLi flood" not in admin.page("/triggers?show=enabled").text
    assert "People" in admin.page("/triggers?text=OWNER").text
    nothing = admin.page("/triggers?text=100%25&show=enabled")
    assert "No enabled trigger has “100%” in its name or comment" in nothing.text
    days = [one["aria-label"] for one in page.all("svg") if one.get("class") == "days"]
    assert (days[0] or "").endswith(" 1")
    assert (days[1] or "").endswith(" 0")


def test_a_long_list_goes_on_page_by_page(api: HttpApi, line: CommandLine) -> None:
    integration = line.integration()
    for n in range(26):
        line.ok(
            *("triggers", "create", "--client", 1, "--condition", "user_created"),
            *("--integration", integration, "--name", f"Number {n:02}"),
        )
    admin = person(api, ADMIN)
    first = admin.page("/triggers")
    assert "Number 24" in first.text
    assert "Number 25" not in first.text
    (following,) = {a["href"] for a in first.all("a") if "after=" in (a["href"] or "")}
    assert "Number 25" in admin.page(str(following)).text


def test_a_trigger_is_made_by_the_form(api: HttpApi, line: CommandLine) -> None:
    soc, admin = line.integration("--name", "SOC"), person(api, ADMIN)
    entered = {
        **ATTACKS,
        "filter0": "attack_type",
        "operator0": "ne",
        "value0": ["sqli", "xss"],
        "filter1": "ip_address",
        "others1": "203.0.113.7, 2001:DB8:0::1\r\n203.0.113.8",
        "integration": [str(soc)],
        "severity": "critical",
        "group": "ip",
        "name": " Flood ",
        "comment": "One\r\ntwo",
    }
    done = admin.send("/triggers/new", entered)
    one = made(line)
    assert (done.status_code, done.headers["Location"]) == (303, f"/triggers/{one['id']}")
    assert one["filters"] == [
        {"id": "attack_type", "operator": "ne", "values": ["sqli", "xss"]},
        {
            "id": "ip_address",
            "operator": "eq",
            "values": ["203.0.113.7", "2001:db8::1", "203.0.113.8"],
        },
    ]
    assert one["threshold"] == {"count": 30, "period": 3600, "operator": "gt"}
    assert (one["name"], one["comment"], one["severity"], one["group"]) == (
        *("Flood", "One\ntwo", "critical", "ip"),
    )
    assert one["integration_ids"] == [soc]
    assert line.json("activity", "list")["items"][0]["actor"]["source"] == "console"


@pytest.mark.parametrize("condition", list(Condition))
def test_the_form_of_each_condition_offers_what_it_has_and_makes_a_trigger(
    api: HttpApi, line: CommandLine, condition: Condition
) -> None:
    line.integration()
    admin = person(api, ADMIN)
    answer = admin.get(f"/triggers/new?condition={condition}")
    page = check_page(answer)
    fields = FormFields(answer.text, "trigger-form").fields
    offered = {o["value"] for o in page.all("option")}
    others = {name for one in Condition for name in one.terms.filters} - set(
        condition.terms.filters
    )
    assert not offered & others
    if len(condition.terms.filters) > 1:
        assert set(condition.terms.filters) <= offered
    else:
        assert fields["add"] == list(condition.terms.filters)
    assert ("count" in fields) is (condition.terms.counted is not None)
    assert admin.send("/triggers/new", fields).status_code == 303
    assert made(line)["condition"] == condition


def test_steps_add_and_remove_filters_and_choose_a_limit(api: HttpApi, line: CommandLine) -> None:
    line.integration()
    admin = person(api, ADMIN)

    def stepped(fields: dict[str, Any], **pressed: str) -> dict[str, list[str]]:
        answer = admin.send("/triggers/new/step", {**fields, **pressed})
        assert answer.status_code == 200
        check_page(answer)
        return FormFields(answer.text, "trigger-form").fields

    fields = stepped(ATTACKS, do="add", add="domain")
    fields["others0"] = ["shop.example.com"]
    fields = stepped(fields, do="add", add="target")
    fields["value1"] = ["server"]
    fields = stepped(fields, do="limit-100")
    assert (fields["count"], fields["others0"], fields["value1"]) == (
        *(["100"], ["shop.example.com"], ["server"]),
    )
    fields = stepped(fields, do="remove-0")
    assert (fields["filter0"], fields["value0"], "filter1" in fields) == (
        ["target"],
        ["server"],
        False,
    )
    # Hits have no target.
    answer = admin.send("/triggers/new/step", {**fields, "condition": "hits_exceeded"})
    assert "Target: removed, as this condition has no such filter." in check_page(answer).text
    assert "filter0" not in FormFields(answer.text, "trigger-form").fields
    assert line.json("triggers", "list")["items"] == []


def test_six_filters_are_the_most(api: HttpApi, line: CommandLine) -> None:
    six = {f"filter{n}": "domain" for n in range(6)}
    answer = person(api, ADMIN).send(
        "/triggers/new/step", {**ATTACKS, **six, "do": "add", "add": "pool"}
    )
    assert "6 filters are the most." in check_page(answer).text
    assert "filter6" not in FormFields(answer.text, "trigger-form").fields


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"count": "many"}, "give how many, a whole number."),
        ({"count": "-1"}, "give how many, a whole number."),
        ({"period": ""}, "give the interval, a whole number."),
        ({"period": "31", "unit": "days"}, "the period is 1 second to 30 days, in whole seconds."),
        ({"filter0": "domain"}, "choose a value, or remove this filter."),
        ({"filter0": "ip_address", "others0": "10.0.0.0/8"}, "no networks, no ranges"),
        ({"filter0": "pool", "others0": "shop"}, "give ids of applications"),
        ({"integration": []}, "a trigger notifies one integration or more."),
        ({"integration": ["4711"]}, "there is no integration 4711."),
        ({"comment": "c" * 501}, "give at most 500 printable characters."),
        ({"name": "N" * 201}, "give 1 to 200 printable characters."),
        ({"severity": "loud"}, "there is no «loud»"),
        ({"group": "all"}, "there is no «all»"),
        (
            {"filter0": "domain", "others0": "a", "filter1": "domain", "others1": "b"},
            "two filters must both hold.",
        ),
    ],
)
def test_what_is_wrong_is_named_beside_its_field_and_what_was_entered_stays(
    api: HttpApi, line: CommandLine, wrong: dict[str, Any], sentence: str
) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    entered = {
        **ATTACKS,
        "integration": [str(number)],
        "name": "Kept",
        "comment": "Kept too",
        **wrong,
    }
    answer = admin.send("/triggers/new", entered)
    assert answer.status_code == 400
    page = check_page(answer)
    assert sentence in page.text
    fields = FormFields(answer.text, "trigger-form").fields
    for name in ("name", "comment", "count", "period"):
        assert fields[name] == [entered[name]]
    if "filter0" in wrong:
        assert fields["filter0"] == [wrong["filter0"]]
        assert fields["others0"] == [wrong.get("others0", "")]
    assert line.json("triggers", "list")["items"] == []


def test_a_trigger_for_another_clients_integration_is_refused_as_if_it_were_not_there(
    api: HttpApi, line: CommandLine
) -> None:
    others = owned(line, 2)
    answer = person(api, ADMIN).send(
        "/triggers/new", {**ATTACKS, "integration": [str(others.integration_id)]}
    )
    assert f"there is no integration {others.integration_id}." in check_page(answer).text


@pytest.mark.parametrize("sent", ODD_TRIGGERS, ids=lambda one: one["condition"])
def test_a_trigger_of_the_api_stays_as_it_is_where_its_form_is_saved_without_a_change(
    api: HttpApi, line: CommandLine, sent: dict[str, Any]
) -> None:
    number, admin = line.integration(), person(api, ADMIN)
    body = {**sent, "client_id": 1, "integration_ids": [number], "name": "Odd"}
    before = api.ok("POST", "/notify/v1/triggers", body)
    changes = len(line.json("activity", "list")["items"])
    fields = fields_of(admin, f"/triggers/{before['id']}/settings")
    assert admin.send(f"/triggers/{before['id']}/settings", fields).status_code == 303
    assert made(line) == {key: before[key] for key in made(line)}
    assert len(line.json("activity", "list")["items"]) == changes, "nothing was changed"
    # A copy is the same but for its name.
    copied = fields_of(admin, f"/triggers/new?copy_of={before['id']}")
    assert copied["name"] == ["Copy of Odd"]
    assert admin.send("/triggers/new", copied).status_code == 303
    copy = made(line)
    assert copy["id"] != before["id"]
    assert (copy["threshold"], copy["group"], copy["severity"]) == (
        *(before["threshold"], before["group"], before["severity"]),
    )
    assert [(f["id"], set(map(str, f["values"]))) for f in copy["filters"]] == [
        (f["id"], set(map(str, f["values"]))) for f in before["filters"]
    ]


def test_one_that_has_lost_its_integrations_can_be_renamed(api: HttpApi, line: CommandLine) -> None:
    mine, admin = owned(line, 1), person(api, ADMIN)
    line.ok("integrations", "delete", mine.integration_id, "--yes")
    path = f"/triggers/{mine.trigger_id}"
    fields = fields_of(admin, f"{path}/settings")
    assert admin.send(f"{path}/settings", {**fields, "name": "Alone"}).status_code == 303
    assert (made(line)["name"], made(line)["integration_ids"]) == ("Alone", [])
    assert "tell nobody yet" in admin.page(path).text
    assert "Set up in Integrations" in admin.page(f"{path}/settings").text


def test_who_saves_later_sees_what_was_changed_meanwhile(api: HttpApi, line: CommandLine) -> None:
    _, trigger = flood(line)
    admin, path = person(api, ADMIN), f"/triggers/{trigger}/settings"
    opened = {**fields_of(admin, path), "name": ["Mine"]}
    line.ok("triggers", "update", trigger, "--name", "Theirs", "--comment", "call the bank")
    assert admin.send(f"{path}/step", opened).status_code == 200, "a step is no reading of it anew"
    refused = admin.send(path, opened)
    text = check_page(refused).text
    assert (refused.status_code, "somebody changed: name, comment." in text) == (400, True)
    assert made(line)["name"] == "Theirs"
    again = FormFields(refused.text, "trigger-form").fields
    assert again["name"] == ["Mine"]
    assert admin.send(path, again).status_code == 303
    assert (made(line)["name"], made(line)["comment"]) == ("Mine", "")


def test_settings_are_changed_and_the_condition_too(api: HttpApi, line: CommandLine) -> None:
    _, trigger = flood(line)
    admin = person(api, ADMIN)
    fields = fields_of(admin, f"/triggers/{trigger}/settings")
    fields |= {"count": ["5"], "period": ["90"], "unit": ["seconds"], "name": ["Other"]}
    assert admin.send(f"/triggers/{trigger}/settings", fields).status_code == 303
    one = made(line)
    assert (one["threshold"]["count"], one["threshold"]["period"], one["name"]) == (5, 90, "Other")
    fields = fields_of(admin, f"/triggers/{trigger}/settings")
    fields["condition"] = ["blacklist_ip_added"]
    assert admin.send(f"/triggers/{trigger}/settings", fields).status_code == 303
    assert (made(line)["condition"], made(line)["threshold"], made(line)["filters"]) == (
        *("blacklist_ip_added", None, []),
    )


def test_a_trial_shows_what_limits_would_have_sent(api: HttpApi, line: CommandLine) -> None:
    flood(line)
    admin = person(api, ADMIN)
    assert "It would have sent" not in admin.page("/triggers/new?condition=attacks_exceeded").text
    page = check_page(admin.send("/triggers/new/step", ATTACKS))
    assert "It would have sent 1 alert in the last 7 days" in page.text
    assert re.search(
        r"10 1 alert (1|none) at night 30 1 alert (1|none) at night 100 no alerts", page.text
    )
    assert "31 from 203.0.113.7 31 attacks" in page.text
    page = check_page(admin.send("/triggers/new/step", {**ATTACKS, "do": "limit-100"}))
    assert "It would have sent no alert in the last 7 days" in page.text
    none = check_page(admin.send("/triggers/new/step", {"condition": "user_created"}))
    assert "No new users that match came in that time." in none.text
    missing = check_page(admin.send("/triggers/new/step", {**ATTACKS, "filter0": "domain"}))
    assert "Not yet: choose a value, or remove this filter." in missing.text


def test_firings_are_listed_with_the_events_that_they_counted(
    api: HttpApi, line: CommandLine
) -> None:
    _, trigger = flood(line)
    admin = person(api, ADMIN)
    page = admin.page(f"/triggers/{trigger}")
    assert "31 attacks" in page.text
    assert "1 in all." in page.text
    assert "Events counted by the firing" not in page.text
    (opening,) = {a["href"] for a in page.all("a") if "firing=" in (a["href"] or "")}
    opened = admin.page(str(opening).partition("#")[0])
    assert "31 of the 31 that it counted" in opened.text
    assert opened.text.count("203.0.113.7") == 31
    (states,) = ({a["href"] for a in page.all("a") if "/notifications/" in (a["href"] or "")},)
    assert len(states) == 2


def test_an_event_that_fires_alone_is_shown_with_its_firing(
    api: HttpApi, line: CommandLine
) -> None:
    mine, admin = owned(line, 1), person(api, ADMIN)
    page = admin.page(f"/triggers/{mine.trigger_id}")
    (opening,) = {a["href"] for a in page.all("a") if "firing=" in (a["href"] or "")}
    opened = admin.page(str(opening).partition("#")[0])
    assert "The event that fired at" in opened.text
    assert "ann@example.com" in opened.text


def test_a_trigger_is_disabled_paused_and_enabled(api: HttpApi, line: CommandLine) -> None:
    mine, admin = owned(line, 1), person(api, ADMIN)
    path = f"/triggers/{mine.trigger_id}"
    assert "Until somebody enables it" in admin.page(f"{path}/disable").text
    assert admin.send(f"{path}/disable", {"hours": "2"}).status_code == 400
    assert admin.send(f"{path}/disable", {"hours": ""}).headers["Location"] == path
    assert (made(line)["enabled"], made(line)["disabled_until"]) == (False, None)
    assert "is disabled" in admin.page(path).text
    assert "is disabled already" in admin.page(f"{path}/disable").text
    assert admin.send(f"{path}/enable").status_code == 303
    assert made(line)["enabled"]
    assert admin.send(f"{path}/disable", {"hours": "4"}).status_code == 303
    hours = (
        datetime.fromisoformat(made(line)["disabled_until"]) - datetime.now(UTC)
    ).total_seconds()
    assert 3.9 < hours / 3600 < 4.1
    assert "is paused" in admin.page(path).text


def test_deleting_asks_says_what_goes_and_does_it(api: HttpApi, line: CommandLine) -> None:
    _, trigger = flood(line)
    admin = person(api, ADMIN)
    page = admin.page(f"/triggers/{trigger}/delete")
    assert "All its configuration goes" in page.text
    assert (
        "SOC primary, Payments on-call no longer get its alerts: 1 firing in the last 7 days"
        in page.text
    )
    assert admin.send(f"/triggers/{trigger}/delete").headers["Location"] == "/triggers"
    assert line.json("triggers", "list")["items"] == []
    assert admin.get(f"/triggers/{trigger}").status_code == 404


def test_who_sees_several_clients_chooses_one_before_anything_is_made(
    api: HttpApi, line: CommandLine
) -> None:
    line.integration()
    owned(line, 2)
    operator = person(api, Role.OPERATOR)
    assert "choose whose" in operator.page("/triggers/new").text
    refused = operator.send("/triggers/new", {**ATTACKS, "integration": ["1"]})
    assert (refused.status_code, "choose the client" in refused.text) == (400, True)
    fields = fields_of(operator, "/triggers/new?condition=user_created&client_id=2")
    assert operator.send("/triggers/new?client_id=2", fields).status_code == 303
    assert made(line)["client_id"] == 2
    assert operator.get(f"/triggers/new?copy_of={made(line)['id']}&client_id=1").status_code == 404
    assert "client_id" in fields


def test_the_largest_form_is_no_larger_than_a_page_may_be(api: HttpApi, line: CommandLine) -> None:
    for n in range(OFFERED + 5):
        line.integration("--name", f"{n} {HOSTILE}"[:200])
    now = datetime.now(UTC)
    ingest(line.wiring.context, [an_event_for("attacks_exceeded", now) for _ in range(40)], [])
    filters = {f"filter{n}": "attack_type" for n in range(6)}
    operators = {f"operator{n}": "ne" for n in range(6)}
    values = {f"value{n}": ["sqli", "xss"] for n in range(6)}
    chosen = {"integration": [str(n) for n in range(1, OFFERED + 6)]}
    answer = person(api, ADMIN).send(
        "/triggers/new/step", {**ATTACKS, **filters, **operators, **values, **chosen}
    )
    check_page(answer)


def test_a_trial_that_takes_too_long_keeps_nobody_from_saving(
    api: HttpApi, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(*_: object) -> None:
        raise TooMuch("The database did not get it done in time.")

    line.integration()
    admin = person(api, ADMIN)
    monkeypatch.setattr(trigger_form, "try_trigger", too_long)
    answer = admin.send("/triggers/new/step", {**ATTACKS, "name": "Kept", "integration": ["1"]})
    page = check_page(answer)
    assert "The trigger can be saved all the same." in page.text
    fields = FormFields(answer.text, "trigger-form").fields
    assert admin.send("/triggers/new", fields).status_code == 303
    assert made(line)["name"] == "Kept"


def test_a_form_that_is_sent_twice_is_saved_once(api: HttpApi, line: CommandLine) -> None:
    _, trigger = flood(line)
    admin, path = person(api, ADMIN), f"/triggers/{trigger}/settings"
    opened = {**fields_of(admin, path), "name": ["Mine"]}
    assert [admin.send(path, opened).status_code for _ in range(2)] == [303, 303]
