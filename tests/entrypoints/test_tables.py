"""Every table of the command line, rendered over long content on terminals of several widths.

The tables are found in the source: one that no command here prints fails a test.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import (
    REFUSED,
    a_rejection,
    a_user_event,
    an_answer,
    an_event,
    an_event_for,
    an_event_object,
)

from entrypoints import test_cli_events, test_cli_failure_ratio
from entrypoints.command_line import KEY
from wallarm_notify.entrypoints import cli
from wallarm_notify.entrypoints.cli.tables import folded
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from entrypoints.command_line import CommandLine

PACKAGE: Final = Path(cli.__file__).parent
PRINTING: Final = {"output.py", "tables.py"}
PRINTERS: Final = {"print_table", "print_page", "print_fields"}

LONG_NAME: Final = "Zahlungsverkehr, Nachtschicht und Wochenende (ana.fernandez-lopez@example.com)"
SHORT_NAME: Final = "Nachtschicht Zahlungsverkehr"
USER: Final = "ana.fernandez-lopez@example.com"
CLIENT: Final = 87654321
LARGE: Final = 98765432

WORD: Final = 36
"""The characters of a UUID: no word up to this length is broken."""

WITHIN_LONG_WORDS: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d)?"
)
"""UUIDs and moments, which stay whole in a word that is broken, as JSON without blanks is."""

IDENTIFIES: Final = re.compile(r"@|_|\d{4}|\d\d:\d\d:\d\d")
"""What a word holds that names one person, thing, kind or moment."""

WITH_UNIT: Final = re.compile(r"\d+ (?:%|(?:ms|s|min|h|d|hours?|minutes?)\b)")

Place = tuple[str, int]
"""A module, and the line of a call in it."""


class Printed:
    """What commands print: every text that stands in a table or beside a name, and from where it is printed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: set[Place] = set()

    def watch(self, run: Callable[[], Any]) -> Any:
        """Return what ``run`` returns, having noted what is printed meanwhile."""
        sys.setprofile(self._note)
        try:
            return run()
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or frame.f_code is not folded.__code__:
            return
        self.texts.append(frame.f_locals["text"])
        caller = frame.f_back
        while caller is not None and Path(caller.f_code.co_filename).name in PRINTING:
            caller = caller.f_back
        assert caller is not None
        self.calls.add((Path(caller.f_code.co_filename).name, caller.f_lineno))


def tables_of_the_source() -> list[tuple[str, int, int]]:
    """Return every call that prints a table or an object: its module, and its first and last line."""
    return [
        (path.name, node.lineno, node.end_lineno or node.lineno)
        for path in sorted(PACKAGE.glob("*.py"))
        if path.name not in PRINTING
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name)
        if node.func.id in PRINTERS
    ]


DOCTOR: Final = ("doctor",)


def filled(line: CommandLine, name: str, folder: Path) -> list[tuple[object, ...]]:
    """Store something long for every table, under large numbers; return the commands that print all of them."""
    line.sql(f"""DO $$ DECLARE one text; BEGIN
        FOR one IN SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'
        LOOP PERFORM setval(one\\:\\:regclass, {LARGE}); END LOOP; END $$""")
    number, trigger = administered(line, name)
    attempts = [REFUSED] * 3 + [an_answer(None)] * 2
    history = [(timedelta(minutes=20 + n), one) for n, one in enumerate(attempts)]
    test_cli_failure_ratio.attempted(line, number, *history[::-1])
    ingest(
        line.wiring.context,
        [
            *(an_event_for("attacks_exceeded", client_id=CLIENT) for _ in range(2)),
            a_user_event(client_id=CLIENT),
            an_event(client_id=CLIENT, occurred_at=in_two_hours()),
        ],
        [a_rejection(client_id=CLIENT, path="/" + "checkout/" * 9)],
    )
    test_cli_events.kept(line, b'{"events"\xff: []' * 40)
    line.sql("UPDATE undecodable SET content_type = 'application/vnd.example+json; charset=utf-8'")
    test_cli_events.aside(line, b'{"events": [' + b'{"id": "a", "title": "long"}, ' * 20)
    notification = line.json("notifications", "list", "--state", "retrying")["items"][0]["id"]
    event = an_event(client_id=CLIENT)
    ingest(line.wiring.context, [event], [])
    file = folder / "events.jsonl"
    file.write_text(json.dumps(an_event_object(client_id=CLIENT)), "utf-8")
    return [
        ("coverage", "--client", CLIENT),
        ("events", "list"),
        ("events", "list", "--client", CLIENT),
        ("events", "show", event.id, "--client", CLIENT),
        ("events", "preview", file),
        ("activity", "list"),
        ("clients", "list"),
        ("clients", "set", CLIENT, "--cloud", "eu"),
        ("users", "list"),
        ("tokens", "list"),
        ("cloud-ips",),
        *(
            ("events", listed)
            for listed in ("types", "rejected", "undecodable", "set-aside", "ahead")
        ),
        *(("events", listed, LARGE + 1) for listed in ("rejected", "undecodable", "set-aside")),
        ("integrations", "list"),
        *(("integrations", shown, number) for shown in ("show", "test", "explain", "hours")),
        ("ledger",),
        ("db", "restored"),
        ("notifications", "list"),
        ("notifications", "show", notification),
        ("policy", "show"),
        (
            "policy",
            "simulate",
            "--min-attempts",
            1,
            "--min-span",
            0,
            "--since",
            "6h",
            "--ratio",
            10,
        ),
        ("triggers", "conditions"),
        ("triggers", "list"),
        *(("triggers", shown, trigger) for shown in ("show", "simulate")),
    ]


def enabled_again(line: CommandLine) -> list[tuple[object, ...]]:
    """Return commands that disable and enable an integration, and send again what that cancelled.

    So each time there is something to be counted.
    """
    number = line.json("integrations", "list")["items"][-1]["id"]
    return [
        ("integrations", "disable", number),
        ("integrations", "enable", number),
        ("notifications", "replay", "--integration", number, "--yes"),
    ]


def administered(line: CommandLine, name: str) -> tuple[int, int]:
    """Make a client, an integration and a trigger, and change each; return the ids of the latter two."""
    ana = ("--user", USER)
    line.ok("clients", "set", CLIENT, "--name", name, "--partner", name, *ana)
    made = line.json(
        *("integrations", "create", "--client", CLIENT, "--key", "-", "--name", name, *ana),
        *("--subscribe", "system,rules_and_triggers,security_issue"),
        stdin=KEY,
    )
    line.ok("clients", "set", CLIENT, "--parent", LARGE, *ana)
    by = ("--by", USER)
    person = ("--email", USER, "--name", name, "--role", "partner_admin_ext")
    line.ok("users", "create", "--client", CLIENT, *person, *by)
    token = ("--role", "partner_admin_ext", "--user", USER, "--name", name, "--expires", "90d")
    line.ok("tokens", "create", "--client", CLIENT, *token, "--with-uuid", *by)
    line.sql("UPDATE users SET last_login_at = now()")
    line.sql("UPDATE tokens SET last_used_at = now()")
    most = "system,rules_and_triggers,security_issue_critical,security_issue_high"
    line.ok("integrations", "update", made["id"], "--subscribe", most, *ana)
    filters = ("--filter", "attack_type=sqli,xss,ptrav,rce", "--filter", "domain=shop.example.com")
    trigger = line.json(
        *("triggers", "create", "--client", CLIENT, "--name", name, "--comment", name * 3, *ana),
        *("--condition", "attacks_exceeded", "--threshold", "1000 in 29d", *filters),
        *("--integration", made["id"]),
    )
    changed = ("--threshold", "1 in 90m", "--no-filters", *ana)
    line.ok("triggers", "update", trigger["id"], *changed)
    return made["id"], trigger["id"]


def in_two_hours() -> str:
    return (datetime.now(UTC) + timedelta(hours=2)).isoformat()


@pytest.fixture
def unlimited(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    test_cli_failure_ratio.set_to("RATE_LIMIT_PER_MINUTE", "0", monkeypatch)


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("name", [LONG_NAME, SHORT_NAME])
def test_no_table_breaks_a_word_a_number_or_a_date_at_60_80_and_140_columns(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    commands = [*filled(line, name, tmp_path), *enabled_again(line), DOCTOR]
    calls: set[Place] = set()
    for width in (60, 80, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        for words in commands:
            printed = Printed()
            result = printed.watch(lambda words=words: line(*words))  # type: ignore[misc]  # bound at once
            # Nobody works here, which doctor finds bad.
            assert result.exit_code == (words is DOCTOR), result.output
            check(printed.texts, result.stdout, width)
            calls |= printed.calls
    unseen = [
        f"{module}:{first}"
        for module, first, last in tables_of_the_source()
        if not any(module == name and first <= at <= last for name, at in calls)
    ]
    assert not unseen, "a command that prints it, over rows, has to be in filled()"


@pytest.mark.usefixtures("unlimited")
def test_json_has_every_name_number_and_date_that_a_table_has(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    for words in filled(line, LONG_NAME, tmp_path):
        # Where the second changes between the two, they were made until another one.
        lacks = lacking(line, words)
        for _ in range(4):
            lacks = lacks and lacking(line, words)
        assert not lacks, words


def lacking(line: CommandLine, words: tuple[object, ...]) -> list[str]:
    """Return the names, numbers and dates that the table of a command has and its JSON has not."""
    printed = Printed()
    printed.watch(lambda: line(*words))
    given = "\n".join(values(line.json(*words)))
    asked = {word for text in printed.texts for word in re.findall(r"[^\s=,;()\[\]]+", text)}
    return [word for word in asked if IDENTIFIES.search(word) if word.rstrip(":") not in given]


def values(document: Any) -> Iterator[str]:
    """Yield every name and value of a JSON document, moments as people read them."""
    match document:
        case dict():
            for name, value in document.items():
                yield name
                yield from values(value)
        case list():
            for value in document:
                yield from values(value)
        case _:
            text = str(document)
            yield text
            yield re.sub(r"T(\d\d:\d\d:\d\d)(\.\d+)?\+00:00$", r" \1Z", text)


def check(texts: list[str], output: str, width: int) -> None:
    """Check that what was printed holds each word of ``texts`` whole, as often as they have it."""
    known = set(output.split("\n"))
    shown = Counter(output.split())
    for word, often in Counter(" ".join(texts).split()).items():
        if len(word) <= WORD:
            assert shown[word] >= often, f"«{word}» is broken at {width}:\n{output}"
        for part in WITHIN_LONG_WORDS.findall(word):
            assert any(part in one for one in known), f"«{part}» is broken at {width}:\n{output}"
    for text in texts:
        for amount in WITH_UNIT.findall(text):
            assert any(amount in one for one in known), (
                f"«{amount}» is broken at {width}:\n{output}"
            )
