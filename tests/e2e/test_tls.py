"""Broker and PagerDuty behind TLS, with certificates of a private CA, for the real programs."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from build import a_key, an_event_object
from certificates import ELSEWHERE, Authority, TLSFront

from e2e.flower import Flower
from e2e.test_secrets import run
from e2e.test_start import BROKER_URL, start
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.system import System

pytestmark = pytest.mark.faults

CA_FILE = "WALLARM_NOTIFY_CA_FILE"
US_URL = "WALLARM_NOTIFY_PAGERDUTY_US_URL"


def front_of(url: str, certificate: Path) -> TLSFront:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return TLSFront(certificate, (parts.hostname, parts.port or 6379))


def behind(front: TLSFront, url: str) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(scheme="rediss", netloc=f"{user}{at}127.0.0.1:{front.port}").geturl()


@pytest.fixture
def tls_broker(broker: str, authority: Authority) -> Iterator[str]:
    with front_of(broker, authority.sign()) as front:
        yield behind(front, broker)


def an_events_file(folder: Path) -> str:
    path = folder / "events.jsonl"
    path.write_text(json.dumps(an_event_object()))
    return str(path)


@pytest.mark.parametrize("program", ["worker", "beat", "emit"])
def test_a_broker_whose_ca_is_unknown_stops_the_start_with_one_sentence(
    system: System, tls_broker: str, tmp_path: Path, program: str
) -> None:
    if program == "emit":
        program = f"wallarm-notify events emit {an_events_file(tmp_path)}"
    status, output = start(program, {**system.environment, BROKER_URL: tls_broker})
    assert (status, "Traceback" in output) == (1, False), output
    lines = [line for line in output.splitlines() if line.startswith("wallarm-notify: ")]
    (line,) = lines
    assert "its certificate is not accepted" in line
    assert CA_FILE in line


def test_another_hosts_certificate_stops_the_start(
    system: System, broker: str, authority: Authority
) -> None:
    with front_of(broker, authority.sign(ELSEWHERE)) as front:
        environment = {BROKER_URL: behind(front, broker), CA_FILE: str(authority.file)}
        status, output = start("worker", {**system.environment, **environment})
    assert (status, "Traceback" in output) == (1, False), output
    assert "certificate is not valid for '127.0.0.1'" in output


@pytest.mark.parametrize("by", [CA_FILE, "SSL_CERT_FILE"])
def test_an_event_goes_its_whole_way_over_tls(
    system: System, tls_broker: str, authority: Authority, tmp_path: Path, by: str
) -> None:
    """One setting is enough for the command line, the worker and PagerDuty's sandbox."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.sign())
    key = a_key()
    system.integration(key)
    with Sandbox(ssl_context=context) as pagerduty:
        over_tls = {BROKER_URL: tls_broker, US_URL: pagerduty.url, by: str(authority.file)}
        environment = {**system.environment, **over_tls}
        worker = system.start_worker(concurrency=2, **over_tls)
        beat = system.start_beat(**over_tls)
        beat.wait_for("beat: Starting...")
        assert "1 event sent" in run(environment, "events", "emit", an_events_file(tmp_path))
        system.wait_for_states(60, delivered=1)
        client = SandboxClient(pagerduty.url, verify=str(authority.file))
        assert [request["key"] for request in client.requests()] == [key.reveal()]
        worker.stop()
    assert "transport:   rediss://" in worker.text()


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_key_is_sent_where_pagerdutys_certificate_is_not_accepted(
    system: System, authority: Authority
) -> None:
    key = a_key()
    for certificate, ca in (
        (authority.sign(), None),
        (authority.sign(ELSEWHERE), str(authority.file)),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with Sandbox(ssl_context=context) as pagerduty:
            environment = {**system.environment, US_URL: pagerduty.url}
            environment |= {} if ca is None else {CA_FILE: ca}
            words = ("integrations", "test", "--client", "1", "--key", "-", "--region", "us")
            output = run(environment, *words, stdin=key.reveal())
            assert "0 of" in output, output
            assert "tls" in output
            assert SandboxClient(pagerduty.url, verify=False).requests() == []


def test_a_url_that_disables_the_check_works_with_a_warning(
    system: System, broker: str, authority: Authority
) -> None:
    with front_of(broker, authority.sign(ELSEWHERE)) as front:
        url = f"{behind(front, broker)}?ssl_cert_reqs=none"
        worker = system.start_worker(concurrency=2, **{BROKER_URL: url})
        system.integration()
        system.emit(an_event_object())
        system.wait_for_states(60, delivered=1)
        worker.stop()
    assert f"wallarm-notify: {BROKER_URL} says ssl_cert_reqs=none: whoever" in worker.text()


def test_urls_that_named_a_ca_already_go_on_working(
    system: System, tls_broker: str, authority: Authority
) -> None:
    file = str(authority.file).replace(" ", "%20")
    url = f"{tls_broker}?ssl_cert_reqs=required&ssl_ca_certs={file}"
    worker = system.start_worker(concurrency=2, **{BROKER_URL: url})
    assert worker.stop() == 0


def test_flower_sees_workers_over_tls(
    system: System, tls_broker: str, authority: Authority
) -> None:
    over_tls = {BROKER_URL: tls_broker, CA_FILE: str(authority.file)}
    system.environment |= over_tls
    flower = Flower(system)
    flower.wait_until_up()
    system.start_worker("-E")
    flower.wait_until_it_sees_workers()
    queues = flower.ask("/api/queues/length")
    assert queues is not None
    assert {queue["name"] for queue in queues.json()["active_queues"]} > {"events", "retries"}


@pytest.mark.servers
def test_an_event_goes_its_way_over_rabbitmqs_tls(
    system: System, authority: Authority, tmp_path: Path
) -> None:
    system.integration()
    with RabbitMQ() as rabbitmq:
        with front_of(rabbitmq.url, authority.sign(ELSEWHERE)) as other:
            url = f"amqps://guest:guest@127.0.0.1:{other.port}//"
            status, output = start(
                "worker", {**system.environment, BROKER_URL: url, CA_FILE: str(authority.file)}
            )
            assert (status, "Traceback" in output) == (1, False), output
            assert "certificate is not valid for '127.0.0.1'" in output
        with front_of(rabbitmq.url, authority.sign()) as front:
            url = f"amqps://guest:guest@127.0.0.1:{front.port}//"
            status, output = start("worker", {**system.environment, BROKER_URL: url})
            assert (status, "its certificate is not accepted" in output) == (1, True), output
            over_tls = {BROKER_URL: url, CA_FILE: str(authority.file)}
            worker = system.start_worker(concurrency=2, **over_tls)
            environment = {**system.environment, **over_tls}
            assert "1 event sent" in run(environment, "events", "emit", an_events_file(tmp_path))
            system.wait_for_states(60, delivered=1)
            worker.stop()
            unchecked = {BROKER_URL: f"{url}?ssl_cert_reqs=none"}
            worker = system.start_worker(concurrency=2, **unchecked)
            worker.stop()
            assert "says ssl_cert_reqs=none" in worker.text()
