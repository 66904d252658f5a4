"""What cannot be served is answered with a sentence and the right status, and nothing that was sent is repeated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import an_event_object
from starlette.requests import HTTPConnection

from entrypoints.api.owned import Owned, owned
from entrypoints.api.test_rights import CALLS, bodies
from entrypoints.command_line import KEY
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.errors import (
    BadRow,
    Forbidden,
    Hint,
    NotAuthenticated,
    NotFound,
    NotifyError,
    Refused,
    Todo,
    TooManyFailures,
    TooMuch,
    Unavailable,
)
from wallarm_notify.domain.rights import may
from wallarm_notify.entrypoints.api.answers import envelope, fault_answer, problem
from wallarm_notify.entrypoints.api.body import DEEPEST, INLINE_BYTES, read_json
from wallarm_notify.entrypoints.api.faults import (
    HINTS,
    BadBody,
    Fault,
    Overload,
    fault_of,
    safe_name,
    without_input,
)

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

OURS: Final = "/notify/v1"
INTEGRATIONS: Final = f"{OURS}/integrations"


def role_for(call: str) -> Role:
    """An administrator, or for a call that none may make an operator."""
    right = CALLS[call]
    return Role.ADMINISTRATOR if right is None or may(Role.ADMINISTRATOR, *right) else Role.OPERATOR


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, 1)


# Each error, whatever call it ends.


@pytest.mark.parametrize(
    ("error", "status", "word", "sentence"),
    [
        (NotFound("There is no integration 7."), 404, "not_found", "There is no integration 7."),
        (Refused("it will not do."), 400, "refused", "it will not do."),
        (Refused("give one.", field="name"), 400, "refused", "name: give one."),
        (
            Refused("Integration 3 is disabled.", hint=Hint(Todo.ENABLE_INTEGRATION, 3)),
            *(400, "refused"),
            "Integration 3 is disabled; enable it first: POST /notify/v1/integrations/3/enable",
        ),
        (NotAuthenticated(), 401, "not_authenticated", str(NotAuthenticated())),
        (Forbidden("The role may not."), 403, "forbidden", "The role may not."),
        (BadRow(f"invalid input: {KEY}"), 400, "refused", "What was sent cannot be stored."),
        (BadBody(413, "Too large."), 413, "too_large", "Too large."),
    ],
)
def test_each_error_has_its_status_its_word_and_its_sentence(
    error: Any, status: int, word: str, sentence: str
) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.word, fault.sentence) == (status, word, sentence)
    assert fault.retry_after is None


@pytest.mark.parametrize(
    ("error", "status", "word", "after"),
    [
        (Unavailable("postgresql://u:p@10.0.0.3 does not answer"), 503, "unavailable", 2),
        (TooMuch("The database did not get it done in time."), 503, "too_much", 2),
        (TooManyFailures(40), 429, "too_many_failures", 40),
        (Overload(503, "Too many.", after=1), 503, "unavailable", 1),
        (Overload(429, "Too many.", after=7), 429, "too_many_requests", 7),
    ],
)
def test_what_may_pass_says_when_to_try_again(
    error: Any, status: int, word: str, after: int
) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.word, fault.retry_after) == (status, word, after)
    assert "10.0.0.3" not in fault.sentence


def test_every_error_of_ours_is_answered() -> None:
    assert fault_of(NotifyError("some other")).status == 503


def test_each_hint_has_words_of_this_way_in() -> None:
    assert set(HINTS) == set(Todo)
    assert not any("wallarm-notify " in words or "--" in words for words in HINTS.values())


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("there is no «frob»; permitted are us and eu.", "there is no «…»; permitted are us and eu."),
        ("an «Events API v2» integration", "an «Events API v2» integration"),
        (f"there is no {KEY} here", "there is no … here"),
        ("No event 7b0c6a52-0001-4000-8000-00000000000a.", "No event 7b0c6a52-0001-4000-8000-00000000000a."),
    ],
)  # fmt: skip
def test_a_sentence_shows_nothing_that_was_sent(sentence: str, shown: str) -> None:
    assert without_input(sentence) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("client_id", "client_id"), (0, "0"), (KEY, "…"), ("a b", "…"), ("«x»", "…"), ("x" * 41, "…")],
)
def test_the_name_of_a_field_is_shown_unless_it_may_be_a_key(name: object, shown: str) -> None:
    assert safe_name(name) == shown


def test_a_problem_has_what_rfc_9457_asks_for_and_a_sentence_for_each_field() -> None:
    assert problem(Fault(400, "invalid", "a: wrong.", {"a": "wrong."})) == {
        "type": "urn:wallarm-notify:problem:invalid",
        "title": "Bad request",
        "status": 400,
        "detail": "a: wrong.",
        "errors": [{"field": "a", "detail": "wrong."}],
    }


def test_the_originals_envelope_has_a_sentence_a_field_or_what_was_not_found() -> None:
    assert envelope(Fault(401, "not_authenticated", "User not authenticated")) == {
        "status": 401,
        "body": "User not authenticated",
    }
    assert envelope(Fault(400, "refused", "target: no.", {"target": "no."})) == {
        "status": 400,
        "body": {"target": {"error": "no."}},
    }
    missing = Fault(404, "not_found", "There is none.", about=("integration", 77))
    assert envelope(missing)["body"] == {"error": "integration not found", "value": 77}


@pytest.mark.parametrize("path", ["/v1/objects/user", "/v2/integration"])
def test_on_the_originals_paths_an_answer_is_in_its_envelope_byte_by_byte(path: str) -> None:
    request = HTTPConnection({"type": "http", "path": path, "headers": []})
    answer = fault_answer(request, Fault(400, "refused", "Already exists"))
    assert answer.body == b'{"status":400,"body":"Already exists"}'
    assert answer.headers["Content-Type"] == "application/json"


def test_an_unknown_call_and_another_method_are_problems_too(api: HttpApi) -> None:
    assert api.problem(404, "GET", f"{OURS}/nothing")["detail"] == "There is no such call."
    answer = api.ask("PUT", f"{OURS}/ledger")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert api.ask("GET", "/v1/nothing").json() == {"status": 404, "body": "There is no such call."}


# A key with every other field wrong.

WRONG: Final[list[Any]] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    "",
    "x",
    KEY,
    [],
    [KEY],
    {},
    {KEY: KEY},
    [[]],
    "\ud800",
]
"""Values that are of the wrong type nearly everywhere, a key among them."""

FIELDS: Final = [
    "client_id", "key", "region", "name", "subscriptions", "summary", "enabled", "reason", "until", "close",
    "condition", "filters", "threshold", "integration_ids", "severity", "group", "comment", "ids", "events",
]  # fmt: skip


def sent_as(body: Any) -> bytes:
    """JSON with lone surrogates, as a client in another language may send it."""
    return json.dumps(body).encode()


def test_a_key_with_every_other_field_wrong_comes_back_nowhere(
    api: HttpApi, mine: Owned, subtests: pytest.Subtests
) -> None:
    # The fixture looks through every answer and the whole log for the key.
    known = bodies(mine)
    calls = [
        call
        for call in CALLS
        if call.startswith(("POST", "PATCH", f"PUT {OURS}")) and call in known and OURS in call
    ]
    assert len(calls) > 8
    for call in calls:
        method, _, path = call.partition(" ")
        with subtests.test(call):
            for value in WRONG:
                body = dict.fromkeys(FIELDS, value) | {"key": KEY, KEY: value}
                answer = api.ask(
                    *(method, path.format(**mine.ids)),
                    data=sent_as(body),
                    headers={"Content-Type": "application/json"},
                    role=role_for(call),
                )
                assert answer.status_code == 400, (call, value, answer.text)
                document = answer.json()
                assert document["errors"], document
                assert "\ud800" not in answer.text


def test_one_wrong_field_is_named_and_nothing_is_done(
    api: HttpApi, line: CommandLine, mine: Owned, subtests: pytest.Subtests
) -> None:
    api.token()
    before = line.json("activity", "list")["items"]
    whole = {
        "key": KEY,
        "region": "us",
        "name": "SOC",
        "subscriptions": ["system"],
        "summary": "brief",
        "enabled": True,
    }
    wrong: dict[str, list[Any]] = {
        "key": ["short", "u+R3zLq8sKm1XkV0aBcd", 1, None],
        "region": ["mars", KEY, 1, None],
        "name": ["", "x" * 201, KEY, "a\nb", "a\x00b", 1],
        "subscriptions": [[KEY], ["system", "frob"], "system", [1], None],
        "summary": [KEY, "", 1],
        "enabled": ["yes", 1, None],
        "client_id": ["1", 0, -1, 2**63, 1.0, True],
        "extra": [1],
    }
    for field, values in wrong.items():
        for value in values:
            with subtests.test(f"{field}: {value!r:.20}"):
                found = api.problem(400, "POST", INTEGRATIONS, {**whole, field: value})
                assert [e["field"].partition(".")[0] for e in found["errors"]] == [field]
    assert line.json("activity", "list")["items"] == before


def test_wrong_events_with_a_key_in_each_field_are_previewed_without_it(api: HttpApi) -> None:
    # The fixture looks through every answer for the key.
    wrong = {**an_event_object(), "risk": KEY}
    events = [
        *({**wrong, name: value} for name in wrong for value in (KEY, [KEY], {KEY: KEY})),
        {**wrong, KEY: KEY, "type": KEY},
        {KEY: KEY},
    ]
    found = api.ok("POST", "/notify/v1/events/preview", {"events": events})
    assert found["items"] == []
    assert {fault["line"] for fault in found["faults"]} == set(range(1, len(events) + 1))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("notifications?limit=0", "limit"),
        ("notifications?limit=201", "limit"),
        ("notifications?limit=many", "limit"),
        ("notifications?cursor=-1", "cursor"),
        (f"notifications?cursor={'9' * 19}", "cursor"),
        (f"notifications?cursor={KEY}", "cursor"),
        ("notifications?state=gone", "state.0"),
        ("notifications?event_id=1", "event_id"),
        ("notifications?type=frob", "type"),
        ("notifications?origin=frob", "origin"),
        ("notifications?code=600", "code"),
        ("notifications?since=yesterday", "since"),
        ("notifications?since=2026-03-01T00:00:00", "since"),
        ("notifications?since=0001-01-01T00:00:00%2B14:00", "since"),
        ("notifications?since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z", "since"),
        (f"notifications?{KEY}=1", "…"),
        ("notifications?client_id=0", "client_id"),
        (f"notifications?client_id={2**63}", "client_id"),
        (f"notifications?client_id={'9' * 5000}", "client_id"),
        ("notifications/0", "notification_id"),
        (f"notifications/{2**63}", "notification_id"),
        ("notifications/one", "notification_id"),
        ("events/one", "event_id"),
        ("events?find=", "find"),
        ("events?find=a&notification_id=1", "find"),
        ("integrations?state=gone", "state.0"),
        ("integrations/1/hours", "since"),
        ("cloud-addresses?cloud=mars", "cloud"),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_its_field(
    api: HttpApi, path: str, field: str
) -> None:
    found = api.problem(400, "GET", f"{OURS}/{path}")
    assert [one["field"] for one in found["errors"]] == [field]


# Bodies that are not read.


def nested(levels: int) -> str:
    return '{"events":' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty"),
        (b"{", "The body is no JSON: line 1"),
        (b"\xff\xfe", "The body is no UTF-8"),
        (b'{"key": 1}}', "The body is no JSON"),
        (b'{"key": NaN}', "NaN or Infinity"),
        (b'{"key": -Infinity}', "NaN or Infinity"),
        (b'{"key": 1e999}', "too large"),
        (b'{"key": ' + b"9" * 5000 + b"}", "too many digits"),
        (f'{{"key": "{KEY}", "key": "x"}}'.encode(), "the same field twice"),
        (nested(31).encode(), "must be an object"),
        (nested(32).encode(), "nested over 32 levels"),
        (b"[" * 500_000, "nested over 32 levels"),
        (b'"' + KEY.encode() + b'"', "must be an object"),
        (b"null", "must be an object"),
        (b"[]", "must be an object"),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_json_with_two_meanings_or_none_is_refused_in_a_sentence(
    api: HttpApi, body: bytes, sentence: str
) -> None:
    answer = api.ask(
        *("POST", f"{OURS}/events/preview"),
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]


def deep(levels: int, innermost: object) -> object:
    """Return a value nested so deep, alternately in lists and objects, with others beside it at each level."""
    value = innermost
    for level in range(levels):
        value = [1, value, "[{", None] if level % 2 else {"before": 1, "value": value, "after": 2}
    return value


@pytest.mark.parametrize("innermost", ["text", "[{" * 99, 0, None], ids=repr)
def test_json_may_be_nested_as_deep_as_is_permitted(innermost: object) -> None:
    permitted = deep(DEEPEST, innermost)
    assert read_json(json.dumps(permitted).encode()) == permitted


@pytest.mark.parametrize("innermost", [[], {}, ["text"], {"name": []}], ids=repr)
def test_json_is_refused_that_is_nested_one_level_deeper(innermost: object) -> None:
    with pytest.raises(BadBody, match="nested over 32 levels deep"):
        read_json(json.dumps(deep(DEEPEST, innermost)).encode())


@pytest.mark.parametrize("length", [INLINE_BYTES // 2, INLINE_BYTES * 2], ids=["short", "long"])
def test_a_body_is_read_alike_at_once_and_by_a_thread(api: HttpApi, length: int) -> None:
    def asked(body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        return api.ask("POST", f"{OURS}/events/preview", data=body, headers=headers).json()

    padding = b" " * length
    preview = asked(b'{"events": [{"type": "none"}]' + padding + b"}")
    assert [one["line"] for one in preview["faults"]] == [1]
    assert "NaN" in asked(b'{"events": [NaN]' + padding + b"}")["detail"]
    assert "twice" in asked(b'{"events": [{"a": 1, "a": 2}]' + padding + b"}")["detail"]


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
def test_a_body_that_is_not_marked_as_json_is_refused(
    api: HttpApi, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = api.ask("POST", INTEGRATIONS, data=f'{{"key": "{KEY}"}}'.encode(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (
        415,
        "urn:wallarm-notify:problem:not_json",
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"],
)
def test_json_is_known_by_each_of_its_names(api: HttpApi, content_type: str) -> None:
    answer = api.ask("POST", INTEGRATIONS, data=b"{}", headers={"Content-Type": content_type})
    assert answer.json()["errors"] == [{"field": "key", "detail": "is missing."}]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_and_not_read(api: HttpApi, chunked: bool) -> None:
    large = b" " * 1_000_001
    data = iter([large]) if chunked else large
    answer = api.ask("POST", INTEGRATIONS, data=data, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "The body is larger than 1000000 bytes.",
    )


def test_a_crash_is_answered_and_logged_without_its_text(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError(KEY)

    monkeypatch.setattr("wallarm_notify.entrypoints.api.calls.operators.balance", crash)
    found = api.problem(500, "GET", f"{OURS}/ledger", role=Role.OPERATOR)
    assert found["detail"] == "This went wrong here, and was logged; it is no fault of the request."
    (line,) = (r for r in caplog.records if r.message == "api.failed")
    assert "error=RuntimeError" in caplog.text
    assert "test_faults" in str(vars(line)["at"])
