import gc
import gzip
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from wallarm_notify.sandbox.client import SandboxClient, SandboxError
from wallarm_notify.sandbox.server import Sandbox

from .conftest import KEY, OTHER_KEY, Caller, Event

SUCCESS = {"status": "success", "message": "Event processed"}
THROTTLED = {
    "status": "throttle exceeded",
    "message": "Requests for this service are arriving too quickly.  Please retry later.",
}


POST = b"POST /v2/enqueue HTTP/1.1\r\nHost: sandbox\r\n"


@pytest.fixture
def raw(sandbox: Sandbox) -> Iterator[socket.socket]:
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def sent(body: bytes, *headers: str) -> bytes:
    lines = (*headers, f"Content-Length: {len(body)}", "", "")
    return POST + "\r\n".join(lines).encode() + body


def received_of(connection: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_sandbox_has_an_address_while_it_runs_and_listens_on_loopback() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="no address"):
        _ = sandbox.url
    sandbox.start()
    sandbox.start()
    assert sandbox.url.startswith("http://127.0.0.1:")
    sandbox.stop()
    sandbox.stop()


def test_a_port_that_is_taken_is_an_error_at_the_start(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    assert port
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port).start()


def test_a_negative_rate_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        Sandbox(rate_limit=-1)


def test_serve_forever_stays_until_it_is_stopped() -> None:
    sandbox = Sandbox()
    sandbox.start()
    staying = threading.Thread(target=sandbox.serve_forever)
    staying.start()
    assert SandboxClient(sandbox.url).requests() == []
    sandbox.stop()
    staying.join(timeout=10)
    assert not staying.is_alive()


def test_stopping_drops_connections_that_hang(event: Event) -> None:
    with Sandbox() as sandbox:
        client = SandboxClient(sandbox.url)
        client.set_faults([{"kind": "hang"}])
        caller = Caller(sandbox.url)
        caller.connection.request("POST", "/v2/enqueue", b"{}")
        while not client.requests():
            pass
    with pytest.raises(ConnectionError):
        caller.connection.getresponse()
    caller.connection.close()


def test_stopping_closes_connections_that_were_just_accepted() -> None:
    sandbox = Sandbox()
    connections: list[socket.socket] = []
    for _ in range(60):
        sandbox.start()
        address = urlsplit(sandbox.url)
        connections += [socket.create_connection((address.hostname, address.port)) for _ in "123"]
        sandbox.stop()
    for connection in connections:
        connection.close()
    gc.collect()  # one that was left open would be an error of this test


@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/enqueue/"])
def test_an_alert_event_is_accepted_with_its_dedup_key(
    path: str, caller: Caller, event: Event
) -> None:
    reply = caller.post(event(), path)

    assert (reply.status, reply.json) == (202, {**SUCCESS, "dedup_key": "d-1"})
    assert reply.headers["Content-Type"] == "application/json"


def test_a_blank_dedup_key_gets_a_new_one(caller: Caller, event: Event) -> None:
    first, second = (caller.post(event(dedup_key=blank)).json["dedup_key"] for blank in ("", ...))

    assert len(first) == len(second) == 32
    assert first != second


@pytest.mark.parametrize("path", ["/v2/change/enqueue", "/v2/change/enqueue/"])
def test_a_change_event_is_counted_and_makes_no_alert(
    path: str, caller: Caller, client: SandboxClient
) -> None:
    reply = caller.post({"routing_key": KEY, "payload": {"summary": "deployed"}}, path)

    assert (reply.status, reply.json) == (202, SUCCESS)
    assert client.alerts() == []
    assert client.counts() == {"dropped": 0, "changes": 1}
    assert client.counts(OTHER_KEY) == {"dropped": 0, "changes": 0}


def test_what_is_no_json_is_unrecognized(caller: Caller) -> None:
    reply = caller.post(b"{no")

    assert reply.status == 400
    assert reply.json == {
        "status": "Unrecognized object",
        "message": "Event object format is unrecognized",
        "errors": ["JSON parse error"],
    }


def test_every_error_comes_at_once(caller: Caller) -> None:
    reply = caller.post({})

    assert reply.status == 400
    assert reply.json == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["'routing_key' cannot be blank", "'event_action' is missing or blank"],
    }


def test_a_body_of_512_kb_is_read_and_one_byte_more_is_not(caller: Caller, event: Event) -> None:
    empty = len(encoded(event(filler="")))
    assert caller.post(event(filler="x" * (524_288 - empty))).status == 202

    reply = caller.post(event(filler="x" * (524_289 - empty)))
    assert (reply.status, reply.json["errors"]) == (
        400,
        ["Event object is too large (maximum is 524288 bytes)"],
    )


def test_an_unknown_key_is_refused_in_plain_text(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_keys([OTHER_KEY])
    reply = caller.post(event())
    assert (reply.status, reply.text) == (400, "Invalid routing key")
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert caller.post(event(event_action="")).json["status"] == "invalid event"

    client.set_keys(None)
    assert caller.post(event()).status == 202


def test_the_key_may_come_in_a_header(caller: Caller, client: SandboxClient, event: Event) -> None:
    reply = caller.post(event(routing_key=...), X_Routing_Key=KEY, Authorization="Basic x")

    assert reply.status == 202
    assert client.alerts(KEY)[0]["dedup_key"] == "d-1"


def test_too_many_events_are_throttled_and_not_taken_in(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    statuses = [caller.post(event(dedup_key=f"d-{n}")).status for n in range(120)]
    reply = caller.post(event(dedup_key="one too many"))

    assert statuses == [202] * 120
    assert (reply.status, reply.json) == (429, THROTTLED)
    assert "Retry-After" not in reply.headers
    assert len(client.alerts()) == 120
    assert client.requests()[-1]["accepted"] is False
    assert caller.post(event(routing_key=OTHER_KEY)).status == 202


def test_the_settings_change_the_limit_and_its_header(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    held = client.set_faults(rate_limit=1, retry_after=7)
    assert held == {"faults": [], "rate_limit": 1, "retry_after": 7.0, "idle_timeout": None}

    assert caller.post(event()).status == 202
    assert caller.post(event()).headers["Retry-After"] == "7"
    client.set_faults(rate_limit=0)
    assert caller.post(event()).status == 202
    assert client.set_faults()["retry_after"] == 7.0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/enqueue", 405),
        ("PUT", "/v2/change/enqueue/", 405),
        ("POST", "/v2/other", 404),
        ("GET", "/", 404),
        ("GET", "/sandbox/nothing", 404),
        ("POST", "/sandbox/alerts", 405),
        ("GET", "/sandbox", 405),
    ],
)
def test_other_routes_and_methods_are_refused_in_json(
    method: str, path: str, status: int, caller: Caller, client: SandboxClient
) -> None:
    reply = caller.call(method, path, b"{}")

    assert reply.status == status
    assert list(reply.json) == ["error"]
    assert client.requests() == []


def test_a_head_request_gets_no_body(caller: Caller) -> None:
    assert caller.call("HEAD", "/v2/enqueue").text == ""
    assert caller.call("GET", "/sandbox/keys").json == {"keys": None}


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        POST + b"no colon\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 16777217\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"X-Long: " + b"x" * 65_537,
        b"POST /v2/enqueue HTTP/1.1\r\n\r\n",  # HTTP/1.1 asks for a Host
    ],
)
def test_what_is_no_http_is_refused_and_closed_and_not_logged(
    head: bytes, raw: socket.socket, client: SandboxClient, caplog: pytest.LogCaptureFixture
) -> None:
    raw.sendall(head)

    assert re.match(rb"HTTP/1\.[01] 400 ", received_of(raw))
    assert client.requests() == []
    assert caplog.records == []


def test_a_body_in_chunks_has_the_limit_of_one_in_a_piece(raw: socket.socket) -> None:
    raw.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n1000001\r\n" + b"x" * 16_777_217)

    answer = received_of(raw)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"error":"The body is longer than 16777216 bytes."}')


def test_a_body_in_chunks_is_read(raw: socket.socket, client: SandboxClient) -> None:
    raw.sendall(
        POST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        b"1;x=y\r\n{\r\n1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    received = raw.recv(4096)
    while b"event_action" not in received:
        received += raw.recv(4096)

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")
    assert client.requests()[0]["body"] == {}


@pytest.mark.parametrize(
    "first", ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n"]
)
def test_a_client_that_wants_to_end_is_let_go(first: str, raw: socket.socket) -> None:
    raw.sendall(f"GET /sandbox/keys {first}\r\n".encode())

    assert received_of(raw).endswith(b'{"keys":null}')


def test_an_answer_has_pagerdutys_headers_and_no_others(raw: socket.socket, event: Event) -> None:
    raw.sendall(sent(encoded(event()), "Connection: close"))

    body = b'{"status":"success","message":"Event processed","dedup_key":"d-1"}'
    assert received_of(raw) == (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )


def test_requests_that_do_not_wait_for_answers_are_answered_in_order(
    raw: socket.socket, client: SandboxClient, event: Event
) -> None:
    client.set_faults([{"kind": "slow", "delay": 0.1, "times": 1}])
    first, second = (encoded(event(dedup_key=key)) for key in ("d-1", "d-2"))
    raw.sendall(sent(first) + sent(second, "Connection: close"))

    assert re.findall(rb'"dedup_key":"(...)"', received_of(raw)) == [b"d-1", b"d-2"]
    assert [item["status"] for item in client.requests()] == [202, 202]


def test_headers_and_a_packed_body_are_recorded_as_they_came(
    raw: socket.socket, client: SandboxClient, event: Event
) -> None:
    packed = gzip.compress(encoded(event()))
    raw.sendall(
        sent(packed, "x-tRACE: 7", "x-tRACE: 8", "Content-Encoding: gzip", "Connection: close")
    )

    assert received_of(raw).startswith(b"HTTP/1.1 400 ")
    (item,) = client.requests()
    assert (item["bytes"], item["headers"]["x-tRACE"]) == (len(packed), "7, 8")


def test_requests_are_recorded_in_full(caller: Caller, client: SandboxClient, event: Event) -> None:
    caller.post(event(), X_Trace="7")
    caller.post(b"{no", "/v2/change/enqueue")

    first, second = client.requests()
    assert first["headers"]["X-Trace"] == "7"
    assert first["body"] == event()
    assert first["bytes"] == len(encoded(event()))
    assert first["at"].endswith("+00:00")
    assert (first["number"], first["key"], first["status"], first["accepted"]) == (
        1,
        KEY,
        202,
        True,
    )
    assert (second["number"], second["key"], second["body"]) == (2, None, "{no")
    assert (second["path"], second["status"]) == ("/v2/change/enqueue", 400)
    assert (second["accepted"], second["fault"]) == (False, None)
    assert first["at_epoch"] <= second["at_epoch"]
    assert "body" not in client.requests(brief=True)[0]


def test_a_kept_alive_connection_shows_as_one_peer_port(
    caller: Caller, callers: Callable[[], Caller], client: SandboxClient, event: Event
) -> None:
    for one in (caller, caller, callers()):
        one.post(event())

    first, second, third = (item["peer_port"] for item in client.requests(brief=True))
    assert first == second != third


def test_a_thousand_requests_of_16_threads_are_all_recorded(
    callers: Callable[[], Caller], client: SandboxClient, event: Event
) -> None:
    client.set_faults(rate_limit=0)
    own = threading.local()

    def send(number: int) -> int:
        if not hasattr(own, "caller"):
            own.caller = callers()
        status: int = own.caller.post(event(dedup_key=f"d-{number}")).status
        return status

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(send, range(1001)))

    recorded = client.requests()
    assert statuses == [202] * 1001
    assert [item["number"] for item in recorded] == list(range(1, 1002))
    assert {item["body"]["dedup_key"] for item in recorded} == {f"d-{n}" for n in range(1001)}
    assert len(client.alerts(KEY)) == 1001


def test_a_status_fault_answers_in_place_of_pagerduty_and_then_heals(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    html = {"kind": "status", "status": 503, "headers": {"Content-Type": "text/html"}, "times": 2}
    client.set_faults([{**html, "body": "<html>"}, {"kind": "status", "status": 500, "times": 1}])

    replies = [caller.post(event()) for _ in range(4)]

    assert [(reply.status, reply.text) for reply in replies[:3]] == [
        (503, "<html>"),
        (503, "<html>"),
        (500, ""),
    ]
    assert replies[0].headers["Content-Type"] == "text/html"
    assert replies[3].status == 202
    recorded = client.requests()
    assert [item["fault"] for item in recorded] == ["status", "status", "status", None]
    assert [item["accepted"] for item in recorded] == [False, False, False, True]
    assert client.alerts()[0]["triggers"] == 1


def test_a_status_fault_may_take_the_event_in(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_faults([{"kind": "status", "status": 202, "body": "ok", "accept": True}])

    assert caller.post(event()).text == "ok"
    assert client.requests()[0]["accepted"] is True
    assert len(client.alerts()) == 1


def test_a_status_fault_may_lie_about_its_length(raw: socket.socket, client: SandboxClient) -> None:
    lie = {"Content-Length": "100"}
    client.set_faults([{"kind": "status", "status": 500, "body": "said", "headers": lie}])
    raw.sendall(POST + b"Connection: close\r\n\r\n")

    head, _, body = received_of(raw).partition(b"\r\n\r\n")
    assert re.findall(rb"Content-Length: (\d+)", head) == [b"100"]
    assert body == b"said"


def test_a_fault_may_be_of_one_key(caller: Caller, client: SandboxClient, event: Event) -> None:
    client.set_faults([{"key": KEY, "kind": "status", "status": 500}])

    assert caller.post(event()).status == 500
    assert caller.post(event(routing_key=OTHER_KEY)).status == 202


def test_a_slow_answer_comes_after_its_delay(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_faults([{"kind": "slow", "delay": 0.2}])
    begun = monotonic()

    assert caller.post(event()).status == 202
    assert monotonic() - begun >= 0.19


def test_a_client_that_leaves_a_slow_answer_has_none_recorded(
    raw: socket.socket, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 0.2}])
    raw.sendall(POST + b"\r\n")
    raw.shutdown(socket.SHUT_WR)

    assert raw.recv(1) == b""
    assert client.requests()[0]["status"] is None


def test_a_dripping_answer_comes_byte_by_byte(raw: socket.socket, client: SandboxClient) -> None:
    client.set_faults([{"kind": "drip", "delay": 0.002}])
    begun = monotonic()
    raw.sendall(POST + b"Connection: close\r\n\r\n")

    pieces = list(iter(lambda: raw.recv(4096), b""))
    answer = b"".join(pieces)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert len(pieces) > len(answer) / 2
    assert monotonic() - begun >= 0.002 * len(answer)
    assert client.requests()[0]["status"] == 400


def test_a_drip_ends_when_its_client_leaves(raw: socket.socket, client: SandboxClient) -> None:
    client.set_faults([{"kind": "drip", "delay": 0.01}])
    raw.sendall(POST + b"\r\n")
    assert raw.recv(1) == b"H"
    raw.shutdown(socket.SHUT_WR)

    assert len(received_of(raw)) < 10
    assert client.requests()[0]["status"] is None


def test_a_hanging_request_is_never_answered(raw: socket.socket, client: SandboxClient) -> None:
    client.set_faults([{"kind": "hang"}])
    raw.sendall(POST + b"\r\n")
    raw.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.recv(1)
    raw.settimeout(10)
    raw.shutdown(socket.SHUT_WR)

    assert raw.recv(1) == b""
    assert client.requests()[0]["status"] is None


def test_a_hang_may_end_by_itself(caller: Caller, client: SandboxClient, event: Event) -> None:
    client.set_faults([{"kind": "hang", "delay": 0.05, "times": 1}])

    with pytest.raises(RemoteDisconnected):
        caller.post(event())
    assert client.alerts() == []
    assert caller.post(event()).status == 202


def test_a_reset_reaches_the_client_as_one(raw: socket.socket, client: SandboxClient) -> None:
    client.set_faults([{"kind": "reset"}])
    raw.sendall(POST + b"\r\n")

    with pytest.raises(ConnectionResetError):
        raw.recv(1)
    (item,) = client.requests()
    assert (item["fault"], item["status"], item["accepted"]) == ("reset", None, False)


@pytest.mark.parametrize("accept", [True, False])
def test_a_close_loses_the_answer_and_maybe_the_event(
    accept: bool, caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_faults([{"kind": "close", "accept": accept, "times": 1}])

    with pytest.raises(RemoteDisconnected):
        caller.post(event())
    (item,) = client.requests()
    assert (item["fault"], item["status"], item["accepted"]) == ("close", None, accept)
    assert len(client.alerts()) == accept
    caller.post(event())
    (alert,) = client.alerts()
    assert (alert["triggers"], alert["notifications"]) == (1 + accept, 1)


def test_a_discarded_event_looks_accepted_and_comes_to_nothing(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_faults([{"kind": "discard"}])

    assert caller.post(event()).json == {**SUCCESS, "dedup_key": "d-1"}
    assert client.alerts() == []
    assert client.counts(KEY) == {"dropped": 1, "changes": 0}


def test_an_idle_connection_is_closed(raw: socket.socket, client: SandboxClient) -> None:
    client.set_faults(idle_timeout=0.05)
    raw.sendall(b"GET /sandbox/keys HTTP/1.1\r\nHost: sandbox\r\n\r\n")

    assert received_of(raw).endswith(b'{"keys":null}')


def test_forgetting_goes_back_to_the_start(
    caller: Caller, client: SandboxClient, event: Event
) -> None:
    client.set_faults(rate_limit=1)
    caller.post(event())
    client.set_keys([OTHER_KEY])
    client.set_faults([{"kind": "reset"}], idle_timeout=9, retry_after=9)

    client.reset()

    assert client.requests() == client.alerts() == []
    assert caller.call("GET", "/sandbox/keys").json == {"keys": None}
    assert caller.call("GET", "/sandbox/faults").json == {
        "faults": [],
        "rate_limit": 120,
        "retry_after": None,
        "idle_timeout": None,
    }
    assert caller.post(event()).status == 202


@pytest.mark.parametrize(
    ("method", "path", "document", "sentence"),
    [
        (
            "PUT",
            "/sandbox/faults",
            {"fault": []},
            (
                "The document has an unknown field 'fault'; "
                "permitted are: faults, idle_timeout, rate_limit, retry_after."
            ),
        ),
        ("PUT", "/sandbox/faults", [], "The document must be a JSON object."),
        ("PUT", "/sandbox/faults", b"{", "The document must be JSON."),
        (
            "PUT",
            "/sandbox/faults",
            {"rate_limit": None},
            "'rate_limit' must be a whole number; 0 switches the limit off.",
        ),
        (
            "PUT",
            "/sandbox/keys",
            {"keys": ["short"]},
            "'keys' must be null or a list of keys of 32 letters and digits.",
        ),
        (
            "PUT",
            "/sandbox/keys",
            {},
            "'keys' must be null or a list of keys of 32 letters and digits.",
        ),
        (
            "GET",
            "/sandbox/requests?limit=1001",
            None,
            "'limit' must be a whole number from 1 to 1000.",
        ),
        (
            "GET",
            "/sandbox/requests?since=x",
            None,
            "'since' must be a whole number from 0 to 1000000000.",
        ),
        ("GET", "/sandbox/requests?brief=yes", None, "'brief' must be 0 or 1."),
        (
            "GET",
            "/sandbox/alerts?brief=1",
            None,
            "The query has an unknown field 'brief'; permitted are: key, limit, since.",
        ),
    ],
)
def test_a_control_request_that_is_not_permitted_is_refused_in_one_sentence(
    method: str, path: str, document: Any, sentence: str, caller: Caller
) -> None:
    reply = caller.call(method, path, document)

    assert (reply.status, reply.json) == (400, {"error": sentence})


def test_a_refused_document_changes_nothing(caller: Caller, client: SandboxClient) -> None:
    client.set_faults([{"kind": "reset"}])
    with pytest.raises(SandboxError, match="Unknown kind 'explode'"):
        client.set_faults([{"kind": "explode"}], rate_limit=5)

    held = caller.call("GET", "/sandbox/faults").json
    assert held["faults"] == [{"key": "*", "kind": "reset", "left": None}]
    assert held["rate_limit"] == 120
