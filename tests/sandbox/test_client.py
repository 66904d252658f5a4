"""What the client makes of a sandbox that is away, or of something that is none."""

from typing import Any

import pytest
import requests
import responses

from wallarm_notify.sandbox.client import PAGE, SandboxClient, SandboxError

URL = "http://sandbox.test"


@responses.activate
@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ConnectTimeout("nobody there"),
        requests.exceptions.ReadTimeout("no answer"),
        requests.exceptions.SSLError("whose certificate?"),
        requests.exceptions.ChunkedEncodingError("half an answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_sandbox_that_is_away_is_an_error_of_requests(error: Exception) -> None:
    responses.get(f"{URL}/sandbox/requests", body=error)
    with pytest.raises(type(error)):
        SandboxClient(URL).requests()


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": "<html>Welcome to nginx!</html>"},
        {"status": 200, "body": ""},
        {"status": 400, "body": "<html>Bad Request</html>"},
        {"status": 404, "body": "{}"},
        {"status": 502, "body": "Bad Gateway"},
    ],
    ids=["a page", "nothing", "refused as a page", "no such route", "a gateway"],
)
def test_what_is_no_sandbox_is_an_error_of_requests_too(answer: dict[str, Any]) -> None:
    responses.put(f"{URL}/sandbox/keys", **answer)
    with pytest.raises(requests.RequestException):
        SandboxClient(URL).set_keys(None)


@responses.activate
def test_a_refusal_is_the_sandboxs_sentence() -> None:
    responses.put(f"{URL}/sandbox/faults", status=400, json={"error": "Unknown kind 'explode'."})
    with pytest.raises(SandboxError, match="Unknown kind 'explode'"):
        SandboxClient(URL).set_faults([{"kind": "explode"}])


@responses.activate
def test_a_slash_at_the_end_of_the_address_is_none_too_many() -> None:
    asked = responses.delete(f"{URL}/sandbox", json={})
    SandboxClient(f"{URL}/").reset()
    assert asked.call_count == 1


@responses.activate
def test_pages_are_followed_to_the_last() -> None:
    for since, number, then in ((0, 1, 7), (7, 2, None)):
        wanted = {"since": since, "limit": PAGE, "brief": 1, "key": "k"}
        responses.get(
            f"{URL}/sandbox/requests",
            json={"items": [{"n": number}], "next": then},
            match=[responses.matchers.query_param_matcher(wanted)],
        )
    assert SandboxClient(URL).requests("k", brief=True) == [{"n": 1}, {"n": 2}]
    assert len(responses.calls) == 2


@responses.activate
def test_a_proxy_or_a_password_of_the_environment_is_not_meant_for_the_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hunter2@127.0.0.1:1")
    responses.delete(f"{URL}/sandbox", json={})
    SandboxClient(URL).reset()
    (call,) = responses.calls
    assert isinstance(call, responses.Call)
    assert call.request.headers.keys().isdisjoint({"Authorization", "Proxy-Authorization"})
    assert vars(call.request)["req_kwargs"]["proxies"] == {}
