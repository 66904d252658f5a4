"""``wallarm-notify events`` on a real database and broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event, an_event_object
from odd_events import with_odd

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.domain.set_aside import DEATHS, TriedCall
from wallarm_notify.schemas.call_text import read_call_text
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from pathlib import Path

    from entrypoints.command_line import CommandLine


def lines(*events: object) -> bytes:
    """Return one event a line; bytes stay as they are."""
    rows = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
    return b"\n".join(rows)


def sent(line: CommandLine) -> list[dict[str, Any]]:
    return [event for message in line.messages("events") for event in message["events"]]


def test_emit_enqueues_every_line_of_a_file_in_batches(line: CommandLine, tmp_path: Path) -> None:
    events = [an_event_object() for _ in range(250)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(*events, b""))
    assert line.ok("events", "emit", file) == "250 events sent, 0 lines refused.\n"
    assert sent(line) == events
    assert [len(m["events"]) for m in line.messages("events")] == [100, 100, 50]


def test_emit_takes_standard_input_and_gives_id_and_time(line: CommandLine) -> None:
    event = {"type": "rule.created", "client_id": 1, "rule_id": 7}
    document = line.json("events", "emit", "-", stdin=b"\xef\xbb\xbf" + lines(event) + b"\r\n\r\n")
    (stored,) = sent(line)
    given = [{"line": 1, "id": stored["id"]}]
    assert document == {"sent": 1, "refused": 0, "given": given}
    assert set(stored) == {*event, "id", "occurred_at"}


def test_emit_says_which_id_it_gave_to_which_line(line: CommandLine) -> None:
    named, nameless = an_event_object(), {"type": "rule.created", "client_id": 1, "rule_id": 7}
    output = line.ok("events", "emit", "-", stdin=lines(named, b"", nameless, *[nameless] * 100))
    ids = [event["id"] for event in sent(line)]
    printed = output.splitlines()
    assert ids[0] == named["id"]
    assert printed[:100] == [
        f"-:{number} was given the id {given}." for number, given in enumerate(ids[1:101], 3)
    ]
    assert printed[100:] == [
        "1 further event was given an id; --json lists them all.",
        "102 events sent, 0 lines refused.",
    ]


def test_emit_takes_what_an_attacker_wrote_and_numbers_as_lua_writes_them(
    line: CommandLine,
) -> None:
    text = lines(an_event_object(port=4711, path="PATH"))
    text = text.replace(b"4711", b"4.43e2").replace(b"PATH", rb"/\u0000\ud83d\ud83d\ude00")
    assert line.json("events", "emit", "-", stdin=text)["sent"] == 1
    (event,) = sent(line)
    assert (event["path"], event["port"]) == ("/\ufffd\ufffd😀", 443)
    assert isinstance(event["port"], int)


def test_emit_counts_bytes_of_utf_8_however_a_line_is_written(line: CommandLine) -> None:
    fits, large = an_event_object(note="ж" * 90_000), an_event_object(note="ж" * 130_000)
    written = [json.dumps(e, ensure_ascii=a).encode() for e in (fits, large) for a in (True, False)]
    result = line("events", "emit", "-", stdin=lines(*written))
    assert result.stdout == "2 events sent, 2 lines refused.\n"
    assert [m["events"] for m in line.messages("events")] == [[fits, fits]]
    size = len(json.dumps(large, ensure_ascii=False, separators=(",", ":")).encode())
    sentence = f"The event has {size} bytes; permitted are 256000."
    assert result.stderr.splitlines() == [f"-:3: {sentence}", f"-:4: {sentence}"]


BAD: list[tuple[bytes, str]] = [
    (b'{"title": "\xff"}', "This is no valid UTF-8 (byte 12)."),
    (b'{"title": ', "This is no JSON: Expecting value"),
    (b"[1]", "An event must be a JSON object."),
    (b"[" * 100_000, "This JSON is nested too deep"),
    (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
    (lines(an_event_object(title="x" * 2_000_000)), "permitted are 256000"),
    (lines(an_event_object(title="x" * 4_000_000)), "The line is longer than 4000000 bytes."),
    (lines(an_event_object(occurred_at="2026-03-01T12:00:00")), "occurred_at must be a date and"),
    (lines(an_event_object(occurred_at="1970-01-01T00:00:00Z")), "must not lie before 2015"),
    (lines(an_event_object(type="user.vanished")), "type must be one of"),
    (lines(an_event_object(title=None)), "title must be a text"),
]


def test_a_wrong_line_is_reported_and_the_others_are_sent(line: CommandLine) -> None:
    good = [an_event_object() for _ in range(len(BAD) + 1)]
    mixed = [row for event, (bad, _) in zip(good, BAD, strict=False) for row in (event, bad)]
    result = line("events", "emit", "-", stdin=lines(*mixed, good[-1]))
    reports = result.stderr.splitlines()
    assert [one.split(": ")[0] for one in reports] == [f"-:{2 * n}" for n in range(1, len(BAD) + 1)]
    for one, (_, sentence) in zip(reports, BAD, strict=True):
        assert sentence in one
    assert result.exit_code == 1
    assert result.stdout == f"{len(good)} events sent, {len(BAD)} lines refused.\n"
    assert sent(line) == good


def test_with_json_the_reports_of_wrong_lines_are_on_standard_error(line: CommandLine) -> None:
    result = line("events", "emit", "-", "--json", stdin=lines({}, an_event_object()))
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"sent": 1, "refused": 1, "given": []}
    assert result.stderr.startswith("-:1: type is required")


def test_emit_without_a_broker_names_the_line_from_which_nothing_was_sent(
    line: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(b"x", an_event_object()))
    done = line.process(
        "events", "emit", str(file), WALLARM_NOTIFY_BROKER_URL="redis://u:hidden@127.0.0.1:1/0"
    )
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{file}:1: This is no JSON")
    assert "did not take a message" in second
    assert f"0 events sent; from {file}:2 on nothing was" in second
    assert "hidden" not in done.stderr


def test_emit_of_no_file_is_wrong_usage(line: CommandLine, tmp_path: Path) -> None:
    for file in ("nowhere.jsonl", tmp_path):
        assert line("events", "emit", file).exit_code == 2


def test_types_lists_every_type_with_its_fields(bare: CommandLine) -> None:
    items = {item["type"]: item for item in bare.json("events", "types")["items"]}
    assert list(items) == list(EVENT_TYPES)
    assert items["user.deleted"]["required"] == ["user_name", "user_email"]
    assert items["user.deleted"]["optional"] == ["user_role"]
    assert items["security_issue.detected"]["subscription"] == "security_issue_<risk>"
    assert items["attack.detected"]["subscription"] is None
    output = bare.ok("events", "types")
    assert all(name in output for name in EVENT_TYPES)
    assert "triggers only" in output


def test_schema_is_the_json_schema_of_an_event(bare: CommandLine) -> None:
    schema = bare.json("events", "schema")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert bare.json("events", "schema") == json.loads(bare.ok("events", "schema"))


def test_rejected_lists_rejected_events_with_the_reason(line: CommandLine) -> None:
    ingest(line.wiring.context, [], [a_rejection(), a_rejection(title="", client_id=2)])
    listed = line.json("events", "rejected", "--limit", 1)
    (item,) = listed["items"]
    assert set(item) == {
        "id", "reason", "event_id", "client_id", "type", "cut", "received_at", "sent_by", "text",
    }  # fmt: skip
    assert item["reason"].startswith("title must not be blank")
    rest = line.json("events", "rejected", "--cursor", listed["next"])
    assert len(rest["items"]) == 1
    output = line.ok("events", "rejected")
    assert "security_issue.detected" in output
    assert line("events", "rejected", "--cursor", "-1").exit_code == 1


def test_rejected_mentions_undecodable_messages(line: CommandLine) -> None:
    line.sql("INSERT INTO undecodable (reason, body) VALUES ('no JSON', 'x')")
    result = line("events", "rejected")
    assert result.stdout == "No rejected events.\n"
    assert "1 message that could not be decoded" in result.stderr
    assert "wallarm-notify events undecodable" in result.stderr
    assert line.json("ledger")["undecodable"] == 1
    assert "Beside received: 1 message that could not" in line.ok("ledger")


def test_rejected_shows_one_with_all_that_was_kept_of_it(line: CommandLine) -> None:
    rejection = a_rejection(note="a" * 500 + "\x1b]52;c;\x07")
    ingest(line.wiring.context, [], [rejection])
    shown = line.json("events", "rejected", 1)
    assert shown["text"] == rejection.text
    assert (shown["id"], shown["resubmitted_as"]) == (1, None)
    output = line.ok("events", "rejected", 1)
    assert "title must not be blank" in output
    assert "\x1b" not in output
    assert "There is no rejected event 9" in line.refusal("events", "rejected", 9)


def kept(line: CommandLine, body: bytes, size: int | None = None) -> None:
    """Store an undecodable message."""
    line.wiring.store.transact(
        lambda tx: tx.store_undecodable("no JSON", "application/json", body, size=size)
    )


def test_undecodable_lists_messages_that_no_event_could_be_read_from(line: CommandLine) -> None:
    assert line.ok("events", "undecodable") == "No undecodable messages.\n"
    kept(line, b"x" * 300)
    kept(line, b"\xff\x1b[2J")
    kept(line, b"y", size=70_000)
    listed = line.json("events", "undecodable", "--limit", 2)
    assert [item["id"] for item in listed["items"]] == [3, 2]
    newest, odd = listed["items"]
    assert set(newest) == {
        "id", "reason", "content_type", "bytes", "cut", "received_at", "resubmitted_at", "text",
    }  # fmt: skip
    assert (newest["bytes"], newest["cut"], newest["text"]) == (70_000, True, "y")
    assert (odd["bytes"], odd["cut"], odd["text"]) == (5, False, "\ufffd\x1b[2J")
    (first,) = line.json("events", "undecodable", "--cursor", listed["next"])["items"]
    assert first["text"] == "x" * 200
    output = line.ok("events", "undecodable")
    assert "70000" in output
    assert "application/json" in output
    assert line("events", "undecodable", "--cursor", "-1").exit_code == 1


def test_undecodable_shows_a_whole_message_without_control_characters(line: CommandLine) -> None:
    kept(line, b"x" * 300 + b"\x1b]52;c;\x07\x9b\xe2\x80\xae")
    assert line.json("events", "undecodable", 1)["text"].startswith("x" * 300)
    raw = line.process("events", "undecodable", "1", "--json").stdout
    for output in (raw, line.ok("events", "undecodable", 1)):
        assert all(c == "\n" or c.isprintable() for c in output)
    assert "There is no undecodable message 9" in line.refusal("events", "undecodable", 9)


@pytest.mark.parametrize("name", ["rejected", "undecodable", "set-aside"])
def test_what_could_not_be_taken_in_is_listed_and_shown_by_the_words_that_others_have(
    line: CommandLine, name: str
) -> None:
    ingest(line.wiring.context, [], [a_rejection()])
    kept(line, b"x")
    aside(line, b"x")
    assert line.ok("events", name, "list") == line.ok("events", name)
    assert line.json("events", name, "list", "--limit", 1)["items"][0]["id"] == 1
    assert line.ok("events", name, "show", 1) == line.ok("events", name, 1)
    assert line.json("events", name, "show", 1)["id"] == 1
    for words, sentence in (
        (["show"], "Missing argument 'ID'."),
        (["list", 1], "A listing takes no ID"),
        (["show", "list"], "'list' is not a positive whole number"),
        (["find"], "'find' is not a positive whole number"),
    ):
        result = line("events", name, *words)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_resubmit_takes_a_mended_message_in_once(line: CommandLine, tmp_path: Path) -> None:
    line.integration()
    kept(line, b'[[], {"events": [{]}, {}]')
    assert "do not match (character 19)" in line.refusal("events", "resubmit", "--undecodable", 1)
    body = [[], {"events": [an_event_object(), an_event_object(), {"type": "?"}]}, {}]
    file = tmp_path / "mended.json"
    file.write_text(json.dumps(body))
    again = ("events", "resubmit", "--undecodable", 1, "--file", file)
    assert line.json(*again) == {
        "id": 1,
        "taken_in": 2,
        "matched": 2,
        "known_already": 0,
        "rejected": 1,
        "notifications": 2,
        "skipped": 0,
    }
    assert "was re-submitted already" in line.refusal(*again)
    assert line.json("events", "undecodable")["items"] == []
    assert line.json("events", "undecodable", 1)["resubmitted_at"] is not None
    assert len(line.json("events", "rejected")["items"]) == 1
    ledger = line.json("ledger")
    assert (ledger["received"], ledger["balanced"]) == (3, True)


@pytest.mark.parametrize("how", ["body", "list", "bytes that are no UTF-8"])
def test_resubmit_takes_in_an_unchanged_message_that_can_be_read_now(
    line: CommandLine, how: str
) -> None:
    events = [an_event_object(), an_event_object(note="NOTE")]
    body = json.dumps(events if how == "list" else [[], {"events": events}, {}]).encode()
    kept(line, body.replace(b"NOTE", b"\xff" if how.startswith("bytes") else b"x"))
    output = line.ok("events", "resubmit", 1, "--undecodable")
    assert output.startswith("Undecodable message 1 is taken in now: 2 events taken in")
    assert line.json("ledger")["balanced"] is True


def test_resubmit_refuses_a_message_that_is_still_wrong(line: CommandLine) -> None:
    for body in (b"x", json.dumps([{"type": "?"}]).encode(), b"[]"):
        kept(line, body)
    kept(line, b"[", size=70_000)
    words = ("events", "resubmit", "--undecodable")
    assert "as its body, [[], " in line.refusal(*words, 1)
    assert "No event of it is valid: type must be one of" in line.refusal(*words, 2)
    assert "It holds no event" in line.refusal(*words, 3)
    assert "of 70000 bytes were kept; give the whole" in line.refusal(*words, 4)
    assert "There is no undecodable message 9" in line.refusal(*words, 9)
    assert "no list and no object" in line.refusal(*words, 1, "--file", "-", stdin="x")
    assert "There is no rejected event 1" in line.refusal("events", "resubmit", 1)
    assert len(line.json("events", "undecodable")["items"]) == 4


def test_resubmit_takes_a_mended_event_in(line: CommandLine, tmp_path: Path) -> None:
    line.integration()
    rejection = a_rejection()
    ingest(line.wiring.context, [], [rejection])
    file = tmp_path / "mended.json"
    file.write_text(json.dumps({**json.loads(rejection.text), "title": "A title"}))
    document = line.json("events", "resubmit", 1, "--file", file)
    assert document == {
        "id": 1,
        "event_id": str(rejection.event_id),
        "matched": True,
        "notifications": 1,
        "skipped": 0,
    }
    assert line.json("events", "rejected")["items"] == []
    assert "was re-submitted already" in line.refusal("events", "resubmit", 1, "--file", file)
    assert line.json("ledger")["balanced"] is True


def test_resubmit_takes_in_an_unreadable_event_once_it_is_mended(line: CommandLine) -> None:
    body = an_event_object(client_id=7)
    text = with_odd(body, b"7" * 4301).decode()
    ingest(line.wiring.context, [], read_call_text(f'[[], {{"events": [{text}]}}, {{}}]')[1])
    (item,) = line.json("events", "rejected")["items"]
    assert item["reason"] == "x has a number of over 4300 digits."
    assert (item["event_id"], item["client_id"], item["type"]) == (body["id"], 7, body["type"])
    assert line.json("events", "rejected", 1)["text"] == text
    assert "a number of too many digits" in line.refusal("events", "resubmit", 1)
    mended = text.replace("7" * 4301, "7")
    assert line.json("events", "resubmit", 1, "--file", "-", stdin=mended)["event_id"] == body["id"]
    ledger = line.json("ledger")
    assert (ledger["received"], ledger["rejected"], ledger["balanced"]) == (1, 0, True)


def test_resubmit_takes_in_an_unchanged_event_once_the_reason_is_gone(line: CommandLine) -> None:
    ahead = an_event(occurred_at="2999-01-01T00:00:00Z")
    ingest(line.wiring.context, [ahead], ())
    assert "more than 5 minutes ahead" in line.refusal("events", "resubmit", 1)
    line.sql("UPDATE rejected SET body_text = replace(body_text, '2999', '2020')")
    assert line.ok("events", "resubmit", 1).startswith("Rejected event 1 is event ")


def test_resubmit_takes_in_an_unchanged_event_with_characters_of_an_attacker(
    line: CommandLine,
) -> None:
    ingest(line.wiring.context, [], [rejection := a_rejection(path="/\0\ud83d")])
    # As it was kept while the path was the reason.
    line.sql("""UPDATE rejected SET body_text = replace(body_text, '"title":" "', '"title":"A"')""")
    assert line.json("events", "resubmit", 1)["event_id"] == str(rejection.event_id)
    # It is the event that is mended as it comes, and sent again it is the same.
    event = an_event(**{**json.loads(rejection.text), "title": "A", "path": "/\ufffd\ufffd"})
    (routed,) = ingest(line.wiring.context, [event], ())
    assert (routed.duplicates, routed.rejected) == (1, 0)
    assert line.json("ledger")["balanced"] is True


def test_resubmit_refuses_an_event_that_is_still_wrong(line: CommandLine, tmp_path: Path) -> None:
    ingest(line.wiring.context, [], [a_rejection()])
    assert "title must not be blank" in line.refusal("events", "resubmit", 1)
    assert "There is no rejected event 9" in line.refusal("events", "resubmit", 9)
    for text, sentence in ((b"\xff", "no valid UTF-8"), (b"{", "no JSON"), (b"[]", "JSON object")):
        assert sentence in line.refusal("events", "resubmit", 1, "--file", "-", stdin=text)
    line.sql("UPDATE rejected SET cut = true")
    assert "give the whole event with --file" in line.refusal("events", "resubmit", 1)
    assert line("events", "resubmit", 1, "--file", tmp_path / "none").exit_code == 2


def test_ahead_lists_events_that_wait_for_their_time_and_the_ledger_counts_them(
    line: CommandLine,
) -> None:
    assert line.ok("events", "ahead").strip() == "No events are kept apart."
    assert line.json("ledger")["ahead"] == 0
    at = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    event = an_event(occurred_at=at.isoformat())
    ingest(line.wiring.context, [event], ())
    assert event.type in line.ok("events", "ahead")
    (shown,) = line.json("events", "ahead")["items"]
    assert (shown["id"], shown["client_id"]) == (str(event.id), event.client_id)
    assert datetime.fromisoformat(shown["taken_in_at"]) == at - timedelta(minutes=5)
    drawn = line.json("ledger")
    assert (drawn["received"], drawn["ahead"], drawn["balanced"]) == (0, 1, True)
    assert "1 event kept apart, as its time is still ahead" in line.ok("ledger")


@pytest.mark.parametrize("words", [["emit"], ["resubmit"], ["resubmit", "x"], ["types", "x"]])
def test_wrong_usage_is_status_2(bare: CommandLine, words: list[str]) -> None:
    assert bare("events", *words).exit_code == 2


def aside(line: CommandLine, body: bytes) -> None:
    """Store a call that three workers died of."""
    call = TriedCall(sha256(body).digest(), "application/json", "utf-8", "{}", body)
    line.wiring.store.transact(
        lambda tx: tx.set_aside(call, deaths=DEATHS, again_in=timedelta(hours=1))
    )


def test_calls_set_aside_are_listed_shown_and_counted_beside_received(line: CommandLine) -> None:
    assert line.ok("events", "set-aside") == "No call is set aside.\n"
    aside(line, b"\x1b]52;c;\x07" + b"x" * 300)
    aside(line, b"second")
    listed = line.json("events", "set-aside", "--limit", 1)
    assert [(c["id"], c["bytes"], c["body"]) for c in listed["items"]] == [(2, 6, "second")]
    shown = line.json("events", "set-aside", "--limit", 1, "--cursor", listed["next"])
    assert [c["id"] for c in shown["items"]] == [1]
    whole = line.json("events", "set-aside", 1)
    assert (whole["bytes"], whole["body"].endswith("x" * 300)) == (308, True)
    for words in ((), ("1",)):
        output = line.ok("events", "set-aside", *words)
        assert all(c == "\n" or c.isprintable() for c in output)
    assert "No call 9 is set aside" in line.refusal("events", "set-aside", 9)
    assert line.json("ledger")["set_aside"] == 2
    assert "2 calls set aside" in line.ok("ledger")


def test_resubmit_takes_in_a_call_that_was_set_aside_once_unchanged_or_mended(
    line: CommandLine, tmp_path: Path
) -> None:
    line.integration()
    aside(line, json.dumps([[], {"events": [an_event_object()]}, {}]).encode())
    aside(line, b"deadly")
    words = ("events", "resubmit", "--set-aside")
    assert line.json(*words, 1)["notifications"] == 1
    assert "No call 1 is set aside" in line.refusal(*words, 1)
    assert "Mend it" in line.refusal(*words, 2)
    file = tmp_path / "mended.json"
    file.write_text(json.dumps([an_event_object()]))
    assert line.ok(*words, 2, "--file", file).startswith("Call set aside 2 is taken in now: ")
    assert line("events", "resubmit", "--set-aside", "--undecodable", 1).exit_code == 2
    ledger = line.json("ledger")
    assert (ledger["received"], ledger["set_aside"], ledger["balanced"]) == (2, 0, True)


@pytest.mark.parametrize(("columns", "is_table"), [(60, False), (140, True)])
def test_a_listing_that_is_too_wide_for_the_terminal_has_a_line_for_each_value(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, columns: int, is_table: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ingest(line.wiring.context, [], [a_rejection(), a_rejection()])
    output = line.ok("events", "rejected")
    assert max(map(len, output.splitlines())) <= columns
    assert "security_issue.detected" in output
    assert ("───" in output) == is_table
    assert output.count("Reason") == (1 if is_table else 2)
