"""``wallarm-notify triggers`` as people and programs use it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build import an_event_for

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.filters import FILTERS
from wallarm_notify.domain.why import Reason
from wallarm_notify.services.ingest import ingest as ingest_events

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.domain.triggers.trigger import Trigger

KEYS = [
    "id",
    "client_id",
    "name",
    "comment",
    "enabled",
    "disabled_until",
    "condition",
    "filters",
    "threshold",
    "integration_ids",
    "severity",
    "group",
    "created_by",
    "created_at",
    "last_fired_at",
]


def created(line: CommandLine, *arguments: object, integration: int | None = None) -> Any:
    """Create a trigger of client 1, by default on attacks."""
    number = line.integration() if integration is None else integration
    given = arguments or ("--condition", "attacks_exceeded", "--threshold", "1 in 1h")
    return line.json("triggers", "create", "--client", 1, "--integration", number, *given)


def all_triggers(line: CommandLine) -> list[Trigger]:
    return line.wiring.store.transact(lambda tx: tx.triggers(EVERY_CLIENT, None, 0, 100))


def ingest(line: CommandLine, *conditions: str) -> None:
    ingest_events(line.wiring.context, [an_event_for(c) for c in conditions], [])


def test_every_option_of_a_new_trigger_is_stored(line: CommandLine) -> None:
    one, two = line.integration(), line.integration()
    made = line.json(
        *("triggers", "create", "--client", 1, "--condition", "attacks_exceeded"),
        *("--filter", "attack_type=sqli,xss", "--filter", "pool!=3", "--threshold", "10000 in 1d"),
        *("--integration", f"{one},{two}", "--name", "Injections", "--comment", "by request"),
        *("--severity", "error", "--group", "host", "--disabled", "--user", "Ann"),
    )
    assert list(made) == KEYS
    at = made.pop("created_at")
    assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(minutes=1)
    assert made == {
        "id": 1,
        "client_id": 1,
        "name": "Injections",
        "comment": "by request",
        "enabled": False,
        "disabled_until": None,
        "condition": "attacks_exceeded",
        "filters": [
            {"id": "attack_type", "operator": "eq", "values": ["sqli", "xss"]},
            {"id": "pool", "operator": "ne", "values": [3]},
        ],
        "threshold": {"count": 10000, "period": 86400, "operator": "gt"},
        "integration_ids": [one, two],
        "severity": "error",
        "group": "host",
        "created_by": "Ann",
        "last_fired_at": None,
    }
    shown = line.json("triggers", "show", 1)
    assert shown == {**made, "created_at": at, "firings": [], "next": None}
    assert line.json("triggers", "list") == {
        "items": [{**made, "created_at": at}],
        "next": None,
        "searched_back_to": None,
    }


def test_an_end_of_a_disabling_is_shown_wherever_the_state_is(line: CommandLine) -> None:
    target = line.integration()
    created(line, "--condition", "user_created", integration=target)
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    end = f"{day} 09:30:00Z"
    output = line.ok("triggers", "disable", 1, "--until", f"{day}T09:30")
    assert output == f"Trigger 1 is disabled until {end}.\n"
    assert re.search(
        rf"^State +disabled until {end} *$", line.ok("triggers", "show", 1), re.MULTILINE
    )
    listed = re.sub(r" +", " ", line.ok("triggers", "list"))
    assert all(word in listed for word in ("disabled", "until", day, "09:30:00Z"))
    (one,) = line.json("triggers", "list")["items"]
    assert (one["enabled"], one["disabled_until"]) == (False, f"{day}T09:30:00+00:00")
    assert line.json("triggers", "disable", 1)["disabled_until"] is None
    line.ok("integrations", "disable", target, "--until", day)
    assert f"{target} (off until {day} 00:00:00Z)" in line.ok("triggers", "show", 1)
    warned = line("triggers", "update", 1, "--name", "Other")
    assert f"warning: disabled: {target} until {day} 00:00:00Z; what" in warned.stderr


def test_a_stored_filter_that_is_not_taken_any_more_goes_on_as_it_is(line: CommandLine) -> None:
    made = created(
        line,
        *("--condition", "hits_exceeded", "--threshold", "30 in 1 hour"),
        *("--filter", "response_status=5xx"),
    )
    line.sql("UPDATE triggers SET filters = replace(filters::text, '5xx', '9xx')::jsonb")
    changed = line.json(
        "triggers", "update", made["id"], "--name", "Odd ", "--threshold", "9 in 1h"
    )
    assert (changed["name"], changed["filters"][0]["values"]) == ("Odd", ["9xx"])
    refused = line.refusal("triggers", "update", made["id"], "--filter", "response_status=9xx")
    assert "classes of them from 1xx to 5xx" in refused


def test_without_name_and_threshold(line: CommandLine) -> None:
    made = created(line, "--condition", "user_created", "--user", "Ann")
    assert made["name"] == f"New trigger by Ann, {datetime.now(UTC):%Y-%m-%d}"
    assert (made["threshold"], made["filters"]) == (None, [])


def test_a_trigger_is_shown_with_its_criteria_and_integrations(line: CommandLine) -> None:
    off = line.integration("--disabled")
    created(
        line,
        *(
            "--condition",
            "hits_exceeded",
            "--filter",
            "response_status=5xx",
            "--threshold",
            "30 in 90m",
        ),
        integration=off,
    )
    for text in (line.ok("triggers", "show", 1), line.ok("triggers", "list")):
        assert "more than 30 in 1 hour" in " ".join(text.split())
        assert "response_status=5xx" in text
        assert f"{off} (off)" in text
    warned = line(
        "triggers", "create", "--client", 1, "--condition", "user_created", "--integration", off
    )
    assert f"warning: disabled: {off}; what a disabled" in warned.stderr


def test_severity_and_group_can_be_changed_and_the_conditions_severity_chosen_again(
    line: CommandLine,
) -> None:
    number = created(line)["id"]
    shown = line.ok("triggers", "show", number)
    assert "warning (the condition's)" in shown
    assert "each (every firing is an alert of its own)" in shown
    changed = line.json("triggers", "update", number, "--severity", "critical", "--group", "ip")
    assert (changed["severity"], changed["group"]) == ("critical", "ip")
    again = line.json("triggers", "update", number, "--severity", "default")
    assert (again["severity"], again["group"]) == (None, "ip")
    assert line.json("triggers", "duplicate", number)["group"] == "ip"
    versions = [t.version for t in all_triggers(line)]
    assert versions == [1, 1], "neither starts counting afresh"


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--severity",
            "severity: there is no «high»; permitted are critical, error, warning, info",
        ),
        (
            "--group",
            "group: there is no «high»; permitted are each, trigger, host, ip, application",
        ),
    ],
)
def test_another_severity_or_group_is_refused_with_those_that_there_are(
    line: CommandLine, option: str, sentence: str
) -> None:
    number = created(line)["id"]
    assert line.refusal("triggers", "update", number, option, "high").startswith(sentence)


def test_a_firing_is_shown_with_its_events_and_notifications(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = created(line)
    ingest(line, "attacks_exceeded", "attacks_exceeded")
    shown = line.json("triggers", "show", trigger["id"])
    (firing,) = shown["firings"]
    assert list(firing) == [
        "id",
        "fired_at",
        "window",
        "count",
        "event_id",
        "event_ids",
        "notifications",
    ]
    assert shown["last_fired_at"] == firing["fired_at"]
    assert firing["count"] == 2
    start, end = (datetime.fromisoformat(firing["window"][k]) for k in ("from", "to"))
    assert end - start == timedelta(hours=1)
    assert firing["event_ids"][0] == firing["event_id"]
    assert len(firing["event_ids"]) == 2
    (notification,) = firing["notifications"]
    assert notification["state"] == "pending"
    one = line.json("notifications", "show", notification["id"])
    assert (one["firing_id"], one["event_id"]) == (firing["id"], None)
    assert one["origin"] == f"trigger:{trigger['id']}"
    listed = line.json("notifications", "list")["items"][0]
    assert (listed["firing_id"], listed["event_id"]) == (firing["id"], None)
    monkeypatch.setenv("COLUMNS", "140")
    text = line.ok("triggers", "show", trigger["id"])
    assert f"{notification['id']} Waiting" in text
    assert firing["id"] in text
    assert f"The last was met by event {firing['event_id']}" in text
    assert firing["id"] in line.ok("notifications", "show", notification["id"])
    assert "trigger:1" in "".join(line.ok("notifications", "list").split())
    assert line.json("triggers", "show", trigger["id"], "--firings", 0)["firings"] == []
    assert "No firings" not in line.ok("triggers", "show", trigger["id"], "--firings", 0)


def test_firings_are_shown_in_pages(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    trigger = created(line, "--condition", "user_created")
    for _ in range(5):
        ingest(line, "user_created")
    every = [one["id"] for one in line.json("triggers", "show", trigger["id"])["firings"]]
    assert len(set(every)) == 5
    found: list[str] = []
    cursor: list[str] = []
    while True:
        shown = line.json("triggers", "show", trigger["id"], "--firings", 2, *cursor)
        assert shown["name"] == trigger["name"]
        found += [one["id"] for one in shown["firings"]]
        if shown["next"] is None:
            break
        cursor = ["--cursor", shown["next"]]
    assert found == every
    first = line("triggers", "show", trigger["id"], "--firings", 2)
    assert first.stderr.startswith("There is more: --cursor ")
    last = line("triggers", "show", trigger["id"], *cursor)
    assert (last.exit_code, last.stderr) == (0, "")
    assert every[-1][:8] in last.stdout
    assert "The last was met" not in last.stdout
    assert "Condition" not in last.stdout
    nothing = line.ok("triggers", "show", trigger["id"], "--cursor", 4711)
    assert nothing == "No older firings are stored.\n"
    assert "«x» is none" in line.refusal("triggers", "show", trigger["id"], "--cursor", "x")


def test_firings_are_a_metric(line: CommandLine) -> None:
    created(line, "--condition", "blacklist_ip_added")
    assert "wallarm_notify_trigger_firings_total 0.0\n" in line.ok("metrics")
    ingest(line, "blacklist_ip_added", "blacklist_ip_added")
    assert "wallarm_notify_trigger_firings_total 2.0\n" in line.ok("metrics")


def test_a_trigger_that_each_event_fires_has_no_window(line: CommandLine) -> None:
    created(line, "--condition", "blacklist_ip_added")
    ingest(line, "blacklist_ip_added")
    (firing,) = line.json("triggers", "show", 1)["firings"]
    assert (firing["window"], firing["count"]) == (None, 1)


def test_the_life_of_a_trigger(line: CommandLine) -> None:
    trigger = created(line)
    other = line.integration()
    changed = line.json(
        *("triggers", "update", 1, "--name", "Fewer", "--threshold", "5 in 10m"),
        *("--filter", "target=server", "--integration", other),
    )
    assert (changed["name"], changed["threshold"]["period"]) == ("Fewer", 600)
    assert (changed["filters"][0]["values"], changed["integration_ids"]) == (["server"], [other])
    assert line.json("triggers", "update", 1, "--no-filters")["filters"] == []
    assert line.json("triggers", "disable", 1)["enabled"] is False
    assert line.ok("triggers", "enable", 1) == "Trigger 1 is enabled and counts afresh.\n"
    copied = line("triggers", "duplicate", 1, "--name", "Again", "--json")
    assert "warning: triggers 1 and 2 both fire now" in copied.stderr
    copy = line.json("triggers", "show", 2)
    same = ("condition", "filters", "threshold", "integration_ids", "enabled", "client_id")
    assert {k: copy[k] for k in same} == {**{k: changed[k] for k in same}, "filters": []}
    assert line.json("triggers", "delete", 1, "--yes") == {"id": 1, "deleted": True}
    assert [t["id"] for t in line.json("triggers", "list")["items"]] == [2]
    assert line.refusal("triggers", "show", trigger["id"]) == "There is no trigger 1."
    assert line.ok("triggers", "list", "--client", 2) == "No triggers.\n"


def test_a_listing_goes_on_where_it_ended(line: CommandLine) -> None:
    number = line.integration()
    for _ in range(3):
        created(line, integration=number)
    first = line.json("triggers", "list", "--limit", 2)
    assert [t["id"] for t in first["items"]] == [1, 2]
    rest = line.json("triggers", "list", "--limit", 2, "--cursor", first["next"])
    assert ([t["id"] for t in rest["items"]], rest["next"]) == ([3], None)


def test_deleting_an_integration_names_the_triggers_that_lost_it(line: CommandLine) -> None:
    gone, kept = line.integration(), line.integration()
    created(line, integration=gone)
    line.json(
        *("triggers", "create", "--client", 1, "--condition", "user_created"),
        *("--integration", f"{gone},{kept}"),
    )
    done = line("integrations", "delete", gone, "--yes")
    assert "Taken off these triggers: 1, 2.\n" in done.stdout
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(
        "wallarm-notify: warning: trigger 1 notifies nobody any more; give it another"
    )
    assert [t["integration_ids"] for t in line.json("triggers", "list")["items"]] == [[], [kept]]
    assert "NOBODY" in line.ok("triggers", "list")
    last = line("integrations", "delete", kept, "--yes", "--json")
    assert '"triggers": [\n    2\n  ]' in last.stdout
    assert "warning: trigger 2 notifies nobody any more" in last.stderr


ATTACKS = ("--condition", "attacks_exceeded")
THRESHOLD = ("--threshold", "1 in 1h")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*ATTACKS, "--threshold", "-1 in 1h"), "threshold: the count is a whole number from 0"),
        ((*ATTACKS, "--threshold", "1 in 31d"), "threshold: the period is 1 second to 30 days"),
        ((*ATTACKS, "--threshold", "1 in 0s"), "threshold: the period is 1 second to 30 days"),
        (ATTACKS, "threshold: attacks_exceeded needs one, as '30 in 1h'."),
        (
            ("--condition", "user_created", *THRESHOLD),
            "threshold: user_created takes none; it fires on each event.",
        ),
        (
            ("--condition", "vector_attack"),
            "condition: «vector_attack» is none of those that notify; ",
        ),
        (
            (*ATTACKS, *THRESHOLD, *("--filter", "pool!=1") * 7),
            "filter: a trigger has at most 6, not 7.",
        ),
        ((*ATTACKS, *THRESHOLD, "--filter", "pool=x"), "filter pool: «x» will not do; give ids"),
        (
            (*ATTACKS, *THRESHOLD, "--filter", "hint_tag=b"),
            "filter: attacks_exceeded takes no «hint_tag»",
        ),
        ((*ATTACKS, *THRESHOLD, "--name", " "), "name: give 1 to 200 printable characters."),
        ((*ATTACKS, *THRESHOLD, "--user", " "), "user: give a name."),
        ((*ATTACKS, *THRESHOLD, "--integration", "99"), "integration: there is no integration 99."),
        (
            (*ATTACKS, *THRESHOLD, "--integration", "a"),
            "integration: «a» is no id; give whole numbers",
        ),
        (
            (*ATTACKS, *THRESHOLD, "--integration", ","),
            "integration: a trigger notifies one integration",
        ),
    ],
)
def test_bad_input_gets_one_sentence(
    line: CommandLine, arguments: tuple[str, ...], sentence: str
) -> None:
    number = line.integration()
    output = line.refusal("triggers", "create", "--client", 1, "--integration", number, *arguments)
    assert output.startswith(sentence)
    assert line.json("triggers", "list")["items"] == []


def test_another_clients_integration_is_refused(line: CommandLine) -> None:
    others = line.integration("--client", 2)
    output = line.refusal(
        "triggers", "create", "--client", 1, "--integration", others, *ATTACKS, *THRESHOLD
    )
    assert output.startswith(f"integration: {others} belongs to another client")


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--client", "1", "--integration", "1"),
        ("create", "--client", "1", *ATTACKS, *THRESHOLD),
        ("create", *ATTACKS, *THRESHOLD, "--integration", "1"),
        ("update", "1"),
        ("update", "1", "--no-filters", "--filter", "pool=1"),
        ("simulate",),
        ("simulate", "1", "--client", "1"),
        ("simulate", "1", "--no-filters", "--filter", "pool=1"),
        ("simulate", "1", *ATTACKS),
        ("simulate", "--client", "1"),
    ],
)
def test_a_wrong_use_has_status_2(line: CommandLine, arguments: tuple[str, ...]) -> None:
    assert line("triggers", *arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", 7),
        ("update", 7, "--name", "x"),
        ("update", 7, "--filter", "pool=1"),
        ("enable", 7),
        ("disable", 7),
        ("duplicate", 7),
        ("delete", 7, "--yes"),
        ("simulate", 7),
    ],
)
def test_a_trigger_that_does_not_exist_is_refused(
    line: CommandLine, arguments: tuple[object, ...]
) -> None:
    assert line.refusal("triggers", *arguments) == "There is no trigger 7."


def test_a_simulation_shows_when_a_trigger_would_have_fired_and_sends_nothing(
    line: CommandLine,
) -> None:
    created(line, *ATTACKS, "--threshold", "99 in 1h")
    ingest(line, *["attacks_exceeded"] * 5)
    assert line.json("triggers", "simulate", 1)["items"] == []
    done = line.json("triggers", "simulate", 1, "--threshold", "3 in 1h", "--since", "1h")
    (item,) = done["items"]
    assert list(item) == ["at", "occurred_at", "window", "count", "event_id"]
    assert (done["events"], done["matched"], item["count"]) == (5, 5, 4)
    assert (done["trigger_id"], done["threshold"]["count"]) == (1, 3)
    unsaved = line.json(
        "triggers",
        "simulate",
        "--client",
        1,
        *ATTACKS,
        "--threshold",
        "4 in 1h",
        "--filter",
        "pool=-1",
    )
    assert (unsaved["trigger_id"], [i["count"] for i in unsaved["items"]]) == (None, [5])
    text = line.ok("triggers", "simulate", 1, "--threshold", "3 in 1h")
    assert "5 events of its kind came in, 5 passed its filters; it would have fired 1 time." in text
    assert "It would not have fired." in line.ok("triggers", "simulate", 1, "--filter", "pool=5")
    line.ok("triggers", "update", 1, "--filter", "pool=5", "--threshold", "3 in 1h")
    assert line.json("triggers", "simulate", 1)["items"] == []
    assert len(line.json("triggers", "simulate", 1, "--no-filters")["items"]) == 1
    assert line.json("triggers", "show", 1)["firings"] == []
    assert line.json("notifications", "list")["items"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--since", "yesterday"), "since: «yesterday» is no time"),
        (("--since", "1h", "--until", "2h"), "since: 1h is not before 2h."),
        (("--threshold", "x"), "threshold: «x» is none"),
        (("--filter", "target=x"), "filter target: «x» will not do"),
    ],
)
def test_a_simulation_refuses_options_that_make_no_sense(
    line: CommandLine, arguments: tuple[str, ...], sentence: str
) -> None:
    created(line)
    assert line.refusal("triggers", "simulate", 1, *arguments).startswith(sentence)


def test_the_conditions_are_listed_without_any_setting(bare: CommandLine) -> None:
    items = bare.json("triggers", "conditions")["items"]
    assert [item["condition"] for item in items] == list(Condition)
    assert "change_type (= only)" in " ".join(bare.ok("triggers", "conditions").split())


def test_the_tables_in_the_docs_are_what_the_program_does() -> None:
    text = (Path(__file__).parents[2] / "docs" / "triggers.md").read_text("utf-8")
    rows = [
        [cell.strip().strip("`") for cell in row.strip("|").split(" | ")]
        for row in re.findall(r"^\| `.*\|$", text, re.MULTILINE)
    ]
    conditions, filters = rows[: len(Condition)], rows[len(Condition) :]
    for (name, event_type, fires, taken, severity), condition in zip(
        conditions, Condition, strict=True
    ):
        terms = condition.terms
        assert (name, event_type) == (condition, terms.event_type)
        assert ("threshold" in fires) is (terms.counted is not None)
        assert severity.strip(" |") == terms.severity.word
        if not taken.startswith("the same"):
            assert tuple(re.findall(r"\w+", taken)) == terms.filters
    filters, reasons = filters[: len(FILTERS)], filters[len(FILTERS) :]
    assert {one for names, _ in reasons for one in re.findall(r"\w+", names)} == set(Reason)
    assert [name for name, *_ in filters] == list(FILTERS)
    for name, _, _, operators in filters:
        assert ("!=" in operators) is (len(FILTERS[name].operators) == 2)
