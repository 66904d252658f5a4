"""PagerDuty's own Python client, an independent reader of the contract, over TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pagerduty import EventsApiV2Client, HttpError

from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

from .conftest import KEY, OTHER_KEY


@pytest.fixture
def sandbox(certificate: Path) -> Iterator[Sandbox]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Sandbox(ssl_context=context) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox, certificate: Path) -> SandboxClient:
    return SandboxClient(sandbox.url, verify=str(certificate))


@pytest.fixture
def official(sandbox: Sandbox, certificate: Path) -> Iterator[EventsApiV2Client]:
    trust = ssl.create_default_context(cafile=certificate)
    with EventsApiV2Client(KEY, base_url=sandbox.url, verify=trust, trust_env=False) as one:
        one.sleep_timer = 0.01
        yield one


def test_it_triggers_acknowledges_and_resolves(
    official: EventsApiV2Client, client: SandboxClient
) -> None:
    dedup_key = official.trigger("Rule created", "wallarm", severity="warning")
    official.acknowledge(dedup_key)
    assert client.alerts()[0]["status"] == "acknowledged"
    official.resolve(dedup_key)

    (alert,) = client.alerts()
    assert (alert["status"], alert["dedup_key"]) == ("resolved", dedup_key)
    assert (alert["severity"], alert["notifications"]) == ("warning", 1)
    assert len({item["peer_port"] for item in client.requests()}) == 1


def test_it_submits_a_change_event(official: EventsApiV2Client, client: SandboxClient) -> None:
    official.submit("deployed", "wallarm", timestamp="2026-01-01T00:00:00Z")

    assert client.counts() == {"dropped": 0, "changes": 1}
    assert client.alerts() == []


def test_it_raises_its_error_for_an_unknown_key(
    official: EventsApiV2Client, client: SandboxClient
) -> None:
    client.set_keys([OTHER_KEY])

    with pytest.raises(HttpError) as refusal:
        official.trigger("Rule created", "wallarm")
    answer = refusal.value.response
    assert answer is not None
    assert (answer.status_code, answer.text) == (400, "Invalid routing key")


def test_it_retries_what_the_sandbox_fails_for_a_while(
    official: EventsApiV2Client, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "status", "status": 503, "times": 2}])

    assert official.trigger("Rule created", "wallarm", dedup_key="d") == "d"
    assert [item["status"] for item in client.requests(brief=True)] == [503, 503, 202]


def test_it_sees_a_reset_over_tls_as_a_broken_connection(
    official: EventsApiV2Client, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "reset", "times": 1}])

    official.trigger("Rule created", "wallarm", dedup_key="d")
    assert [item["status"] for item in client.requests(brief=True)] == [None, 202]
