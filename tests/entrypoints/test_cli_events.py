"""``wallarm-notify events`` on a real database and broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event, an_event_object

from wallarm_notify.domain.event import EVENT_TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from entrypoints.command_line import CommandLine


def lines(*events: object) -> bytes:
    """One event a line; bytes stand as they are."""
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
    assert document == {"sent": 1, "refused": 0}
    assert set(sent(line)[0]) == {*event, "id", "occurred_at"}


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


def test_a_line_that_is_wrong_is_told_of_and_the_others_are_sent(line: CommandLine) -> None:
    good = [an_event_object() for _ in range(len(BAD) + 1)]
    mixed = [row for event, (bad, _) in zip(good, BAD, strict=False) for row in (event, bad)]
    result = line("events", "emit", "-", stdin=lines(*mixed, good[-1]))
    told = result.stderr.splitlines()
    assert [one.split(": ")[0] for one in told] == [f"-:{2 * n}" for n in range(1, len(BAD) + 1)]
    for one, (_, sentence) in zip(told, BAD, strict=True):
        assert sentence in one
    assert result.exit_code == 1
    assert result.stdout == f"{len(good)} events sent, {len(BAD)} lines refused.\n"
    assert sent(line) == good


def test_with_json_the_complaints_are_on_standard_error(line: CommandLine) -> None:
    result = line("events", "emit", "-", "--json", stdin=lines({}, an_event_object()))
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"sent": 1, "refused": 1}
    assert result.stderr.startswith("-:1: type is required")


def test_emit_without_a_broker_says_from_which_line_on_nothing_was_sent(
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
    said = bare.ok("events", "types")
    assert all(name in said for name in EVENT_TYPES)
    assert "triggers only" in said


def test_schema_is_the_json_schema_of_an_event(bare: CommandLine) -> None:
    schema = bare.json("events", "schema")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert bare.json("events", "schema") == json.loads(bare.ok("events", "schema"))


def test_rejected_lists_what_was_refused_and_why(line: CommandLine) -> None:
    line.wiring.router.ingest([], [a_rejection(), a_rejection(title="", client_id=2)])
    listed = line.json("events", "rejected", "--limit", 1)
    (item,) = listed["items"]
    assert set(item) == {
        "id", "reason", "event_id", "client_id", "type", "cut", "received_at", "text",
    }  # fmt: skip
    assert item["reason"].startswith("title must not be blank")
    rest = line.json("events", "rejected", "--cursor", listed["next"])
    assert len(rest["items"]) == 1
    said = line.ok("events", "rejected")
    assert "security_issue.detected" in said
    assert line("events", "rejected", "--cursor", "-1").exit_code == 1


def test_rejected_tells_of_messages_that_no_event_could_be_made_of(line: CommandLine) -> None:
    line.sql("INSERT INTO undecodable (reason, body) VALUES ('no JSON', 'x')")
    result = line("events", "rejected")
    assert result.stdout == "No rejected events.\n"
    assert "1 message could not be decoded" in result.stderr


def test_resubmit_takes_a_mended_event_in(line: CommandLine, tmp_path: Path) -> None:
    line.integration()
    rejection = a_rejection()
    line.wiring.router.ingest([], [rejection])
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


def test_resubmit_as_it_is_works_once_the_reason_is_gone(line: CommandLine) -> None:
    ahead = an_event(occurred_at="2999-01-01T00:00:00Z")
    line.wiring.router.ingest([ahead], ())
    assert "more than 5 minutes ahead" in line.refusal("events", "resubmit", 1)
    line.sql("UPDATE rejected SET body_text = replace(body_text, '2999', '2020')")
    assert line.ok("events", "resubmit", 1).startswith("Rejected event 1 is event ")


def test_resubmit_refuses_what_is_still_wrong(line: CommandLine, tmp_path: Path) -> None:
    line.wiring.router.ingest([], [a_rejection()])
    assert "title must not be blank" in line.refusal("events", "resubmit", 1)
    assert "There is no rejected event 9" in line.refusal("events", "resubmit", 9)
    for text, sentence in ((b"\xff", "no valid UTF-8"), (b"{", "no JSON"), (b"[]", "JSON object")):
        assert sentence in line.refusal("events", "resubmit", 1, "--file", "-", stdin=text)
    line.sql("UPDATE rejected SET cut = true")
    assert "give the whole event with --file" in line.refusal("events", "resubmit", 1)
    assert line("events", "resubmit", 1, "--file", tmp_path / "none").exit_code == 2


def test_ahead_lists_what_waits_for_its_time_and_the_ledger_counts_it(line: CommandLine) -> None:
    assert line.ok("events", "ahead").strip() == "No events are kept apart."
    assert line.json("ledger")["ahead"] == 0
    at = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    event = an_event(occurred_at=at.isoformat())
    line.wiring.router.ingest([event], ())
    assert event.type in line.ok("events", "ahead")
    (shown,) = line.json("events", "ahead")["items"]
    assert (shown["id"], shown["client_id"]) == (str(event.id), event.client_id)
    assert datetime.fromisoformat(shown["taken_in_at"]) == at - timedelta(minutes=5)
    drawn = line.json("ledger")
    assert (drawn["received"], drawn["ahead"], drawn["balanced"]) == (0, 1, True)
    assert "1 event of a time that is still ahead" in line.ok("ledger")


@pytest.mark.parametrize("words", [["emit"], ["resubmit"], ["resubmit", "x"], ["types", "x"]])
def test_wrong_usage_is_status_2(bare: CommandLine, words: list[str]) -> None:
    assert bare("events", *words).exit_code == 2
