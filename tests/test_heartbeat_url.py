"""Somebody outside is called while alerts are attended to, and at no other time."""

from __future__ import annotations

import threading

import pytest
import requests
import responses

from wallarm_notify import heartbeat_url

URL = "https://watch.example/ping/Hidden1"


@pytest.mark.parametrize(
    ("attended", "answer", "word"),
    [
        (True, 200, heartbeat_url.CALLED),
        (True, 500, heartbeat_url.REFUSED),
        (True, requests.ConnectionError(URL), heartbeat_url.NOT_REACHED),
        (True, OSError("no CA file"), heartbeat_url.NOT_REACHED),
        (True, 302, heartbeat_url.CALLED),
        (False, 200, heartbeat_url.WITHHELD),
    ],
)
def test_it_is_called_only_while_alerts_are_attended_to(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    attended: bool,
    answer: int | Exception,
    word: str,
) -> None:
    monkeypatch.setattr(heartbeat_url, "EVERY", 0)
    calls: list[str] = []
    stopped = threading.Event()

    def counted() -> bool:
        calls.append("looked")
        if len(calls) == 2:
            stopped.set()
        return attended

    with responses.RequestsMock(assert_all_requests_are_fired=False) as outside:
        if isinstance(answer, Exception):
            outside.get(URL, body=answer)
        else:
            outside.get(URL, status=answer)
        with caplog.at_level("INFO", "wallarm_notify.heartbeat_url"):
            heartbeat_url.call_while(counted, URL, None, stopped)
        assert len(outside.calls) == 2 * attended
    assert [record.message for record in caplog.records] == [word], "a change is logged, once"
    assert "Hidden1" not in caplog.text


def test_a_look_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stopped, looks = threading.Event(), []

    def fails() -> bool:
        looks.append("looked")
        stopped.set()
        raise ValueError(URL)

    heartbeat_url.call_while(fails, URL, None, stopped)
    assert looks == ["looked"]
    assert [record.message for record in caplog.records] == [heartbeat_url.NOT_REACHED]
    assert "Hidden1" not in caplog.text
