from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from benchmarks.api import FULL, PARTS
from benchmarks.api_load import played
from benchmarks.api_mixed import SHARES, Client, planned
from benchmarks.api_pages import PAGES
from benchmarks.api_server import Answered, Asked, check_served
from benchmarks.stack import Void
from wallarm_notify.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = [Client(n, f"token {n}", n, f"event {n}") for n in range(1, FULL.clients + 1)]
PRODUCERS = [f"producer {n}" for n in range(FULL.producers)]


class Slow:
    """A server whose first answer waits until it may be given."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.paths: list[str] = []
        slow = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                slow.paths.append(self.path)
                if self.path == "/slow":
                    slow.may_answer.wait(10)
                self.send_response(500 if self.path == "/wrong" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    serving = threading.Thread(target=made.server.serve_forever)
    serving.start()
    yield made
    made.may_answer.set()
    made.server.shutdown()
    serving.join()
    made.server.server_close()


def asked(path: str, at: float | None) -> dict[str, object]:
    return {"method": "GET", "path": path, "token": "none", "at": at}


def test_what_waits_behind_a_slow_answer_counts_from_when_it_was_due(slow: Slow) -> None:
    answering = threading.Timer(0.5, slow.may_answer.set)
    answering.start()
    requests = [asked("/slow", 0.0), asked("/next", 0.1), asked("/wrong", 0.2)]
    found = played({"url": slow.url, "threads": 1, "requests": requests})
    answering.join()
    assert slow.paths == ["/slow", "/next", "/wrong"]
    assert [status for _, _, status, _ in found] == [200, 200, 500]
    for (took, waited, _, _), due in zip(found[1:], (100, 200), strict=True):
        assert took >= waited >= 450 - due
    assert found[0][1] < found[1][1]


def test_what_is_sent_one_by_one_counts_from_its_sending(slow: Slow) -> None:
    slow.may_answer.set()
    found = played(
        {"url": slow.url, "threads": 1, "requests": [asked("/slow", None), asked("/next", None)]}
    )
    assert [waited for _, waited, _, _ in found] == [0, 0]


def test_a_request_that_nobody_answers_is_an_error_and_not_left_out() -> None:
    (one,) = played({"url": "http://127.0.0.1:1", "threads": 1, "requests": [asked("/gone", None)]})
    assert one[2:] == (0, "ConnectionError")
    with pytest.raises(Void, match="1 of 1 requests were not served"):
        check_served([Answered("gone", *one)])


def test_the_plan_has_the_shares_that_are_claimed_and_is_the_same_every_time() -> None:
    plan = planned(FULL.rate, FULL.seconds, CLIENTS, PRODUCERS)
    assert len(plan) == FULL.rate * FULL.seconds
    kinds = Counter(one.kind for one in plan)
    of = {"a list": "lists", "one thing": "ones", "events": "events", "a change": "changes"}
    for kind, name in of.items():
        assert kinds[kind] / len(plan) == pytest.approx(SHARES[name] / 100, abs=0.015)
    times = [one.at or 0.0 for one in plan]
    assert times == sorted(times)
    again = planned(FULL.rate, FULL.seconds, CLIENTS, PRODUCERS)
    assert [(one.kind, one.path, one.at) for one in again] == [
        (one.kind, one.path, one.at) for one in plan
    ]


def test_no_token_of_the_plan_asks_more_than_the_server_permits_by_default() -> None:
    plan = planned(FULL.rate, FULL.seconds, CLIENTS, PRODUCERS)
    most = max(Counter(one.token for one in plan).values()) * 60 / FULL.seconds
    assert most <= Settings.model_fields["api_token_rate"].default


def test_beside_deliveries_no_events_are_sent_over_http() -> None:
    plan: list[Asked] = planned(50, 60, CLIENTS)
    assert {one.kind for one in plan} == {"a list", "one thing", "a change"}


def test_every_page_can_be_asked_for() -> None:
    fill = {"client": 7, "before": 99, "event": "an-id", "owner": 8}
    for name, page in PAGES.items():
        path = page.path(fill)
        assert path.startswith(("/notify/v1/", "/v1/", "/v2/")), name
        assert "{" not in path, name


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_the_benchmark_has_a_heading_of_its_own(name: str) -> None:
    assert [part.heading for part in PARTS.values()].count(PARTS[name].heading) == 1
