"""TLS to real servers whose certificates are signed by a CA of one's own."""

from __future__ import annotations

import logging
import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from certificates import ELSEWHERE, Authority, TLSFront

from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.producer import NotSent, Producer
from wallarm_notify.settings import SettingsError, read_settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.tls import ca_fault, certificate_fault, unchecked_warning, use_ssl
from wallarm_notify.urls import read_broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


EVENT = {"type": "rule.created", "client_id": 1, "rule_id": 7}


def address(url: str) -> tuple[str, int]:
    """Where a broker's URL leads."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return parts.hostname, parts.port or 6379


def behind(front: TLSFront, url: str) -> str:
    """The URL of the broker at ``url`` behind TLS."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(scheme="rediss", netloc=f"{user}{at}127.0.0.1:{front.port}").geturl()


@pytest.fixture
def tls_broker(broker: str, authority: Authority) -> Iterator[str]:
    """URL of the broker behind TLS, with a certificate for its host."""
    with TLSFront(authority.sign(), address(broker)) as front:
        yield behind(front, broker)


@pytest.fixture
def tls_elsewhere(broker: str, authority: Authority) -> Iterator[str]:
    """The same with another host's certificate."""
    with TLSFront(authority.sign(ELSEWHERE), address(broker)) as front:
        yield behind(front, broker)


def refusal(url: str, **options: Any) -> str:
    """The sentence in which a producer says that it could not send."""
    with Producer(url, **options) as producer, pytest.raises(NotSent) as error:
        producer.emit(EVENT)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_producer_refuses_a_broker_whose_ca_it_does_not_know(tls_broker: str) -> None:
    message = refusal(tls_broker)
    assert "its certificate is not accepted: " in message
    assert "WALLARM_NOTIFY_CA_FILE (a Producer's ca_file) or SSL_CERT_FILE" in message


def test_a_producer_takes_a_ca_as_argument(tls_broker: str, authority: Authority) -> None:
    with Producer(tls_broker, ca_file=str(authority.file)) as producer:
        assert producer.emit(EVENT)


def test_a_producer_takes_a_ca_from_openssls_variable(
    tls_broker: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Producer(tls_broker) as producer:
        assert producer.emit(EVENT)


@pytest.mark.parametrize("required", ["required", "CERT_REQUIRED", "optional"])
def test_a_producer_takes_a_ca_from_the_url(
    tls_broker: str, authority: Authority, required: str
) -> None:
    url = f"{tls_broker}?ssl_cert_reqs={required}&ssl_ca_certs={authority.file}"
    with Producer(url.replace(" ", "%20")) as producer:
        assert producer.emit(EVENT)


def test_a_ca_in_the_url_stands_before_that_of_the_setting(
    tls_broker: str, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "another")
    url = f"{tls_broker}?ssl_ca_certs={authority.file}".replace(" ", "%20")
    with Producer(url, ca_file=str(other.file)) as producer:
        assert producer.emit(EVENT)
    assert "not accepted" in refusal(tls_broker, ca_file=str(other.file))


@pytest.mark.parametrize("none", ["none", "CERT_NONE"])
def test_a_url_without_a_check_is_accepted_with_a_warning(
    tls_elsewhere: str, none: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        Producer(f"{tls_elsewhere}?ssl_cert_reqs={none}") as producer,
    ):
        assert producer.emit(EVENT)
    assert "the broker's URL says ssl_cert_reqs=none: whoever is between" in caplog.text


def test_a_certificate_of_another_host_is_refused_unless_the_url_wants_no_name(
    tls_elsewhere: str, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ca = str(authority.file)
    message = refusal(tls_elsewhere, ca_file=ca)
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in message
    with Producer(f"{tls_elsewhere}?ssl_check_hostname=false", ca_file=ca) as producer:
        assert producer.emit(EVENT)
    assert "says ssl_check_hostname=false" in caplog.text


def test_the_next_of_several_brokers_is_checked_by_its_own_name(
    tls_broker: str, tls_elsewhere: str, authority: Authority
) -> None:
    with Producer(f"{tls_elsewhere};{tls_broker}", ca_file=str(authority.file)) as producer:
        assert producer.emit(EVENT)


def test_rabbitmqs_certificate_and_name_are_checked(
    broker: str, authority: Authority, tls_elsewhere: str
) -> None:
    # What is behind speaks no AMQP: once TLS stands, it is that which fails.
    ca = str(authority.file)
    with TLSFront(authority.sign(), address(broker)) as front:
        url = f"amqps://127.0.0.1:{front.port}//"
        assert "its certificate is not accepted" in refusal(url)
        assert "certificate" not in refusal(url, ca_file=ca)
        assert "certificate" not in refusal(f"{url}?ssl_cert_reqs=none")
    elsewhere = tls_elsewhere.replace("rediss", "amqps")
    assert "certificate is not valid for '127.0.0.1'" in refusal(elsewhere, ca_file=ca)
    assert "certificate" not in refusal(f"{elsewhere}?ssl_check_hostname=false", ca_file=ca)


def test_the_tls_options_for_rabbitmq_name_each_host_anew() -> None:
    shown = use_ssl(read_broker("amqps://one//;amqps://two//"), "/ca.pem")
    assert shown == {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "/ca.pem", "server_hostname": None}
    shown["server_hostname"] = "one"  # as kombu does where it finds None
    assert shown["server_hostname"] is None
    assert dict(**shown)["server_hostname"] == "one"


@pytest.mark.parametrize(
    "url", ["redis://host/0", "redis+socket:///run/redis.sock", "amqp://host//", "pyamqp://host//"]
)
def test_a_broker_in_the_open_stays_in_the_open(url: str) -> None:
    assert use_ssl(read_broker(url), "/ca.pem") is None


@pytest.mark.parametrize("content", [None, "", "nonsense", "-----BEGIN CERTIFICATE-----\nx"])
def test_a_file_without_a_certificate_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    fault = ca_fault(str(path))
    assert fault in (
        "cannot be read (No such file or directory [errno 2])",
        "is no PEM file with a certificate",
    )
    with pytest.raises(Refused, match=r"^ca_file: (cannot be read|is no PEM)"):
        Producer("rediss://host/0", ca_file=str(path))
    for name in ("SSL_CERT_FILE", "WALLARM_NOTIFY_CA_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(path))
            with pytest.raises(SettingsError, match=rf"^{name}: (cannot be read|is no PEM)"):
                read_settings()
    with pytest.raises(Refused, match="names a file in ssl_ca_certs that "):
        Producer(f"rediss://host/0?ssl_ca_certs={path}")


def test_a_file_that_is_no_pem_whatever_else_it_is_is_refused(tmp_path: Path) -> None:
    assert ca_fault(str(tmp_path)) is not None
    assert ca_fault("a\0b") == "cannot be read (no path)"


def test_a_clients_certificate_is_looked_at_before_anything_is_sent(
    authority: Authority, tmp_path: Path
) -> None:
    own = authority.sign()
    Producer(f"rediss://host/0?ssl_certfile={own}&ssl_keyfile={own}").close()
    Producer(f"amqps://host//?ssl_certfile={own}").close()
    for missing in (tmp_path, tmp_path / "none"):
        with pytest.raises(Refused, match=r"ssl_certfile or ssl_keyfile that cannot .* \[errno "):
            Producer(f"rediss://host/0?ssl_certfile={missing}")
    with pytest.raises(Refused, match="no certificate and its key"):
        Producer(f"rediss://host/0?ssl_certfile={authority.file}".replace(" ", "%20"))
    with pytest.raises(Refused, match="an ssl_keyfile and no ssl_certfile"):
        Producer(f"rediss://host/0?ssl_keyfile={own}")


def test_only_a_certificate_that_was_not_accepted_is_called_so() -> None:
    assert certificate_fault(OSError("connection refused")) is None
    assert unchecked_warning("x", read_broker("rediss://host/0").tls) is None
    assert unchecked_warning("x", None) is None


# PostgreSQL.


@pytest.fixture
def tls_database(database_url: str, authority: Authority) -> Iterator[sa.URL]:
    """URL of the database behind TLS, by TCP."""
    url = sa.make_url(database_url)
    where = url.query.get("host")
    target: Any = (
        f"{where}/.s.PGSQL.{url.query.get('port', 5432)}" if where else (url.host, url.port)
    )
    with TLSFront(authority.sign(), target, postgres=True) as front:
        yield url.set(host="127.0.0.1", port=front.port, query={})


def check_database(monkeypatch: pytest.MonkeyPatch, url: sa.URL, **parameters: str) -> None:
    """Raises Unavailable where the database cannot be used."""
    text = url.set(query=parameters).render_as_string(hide_password=False)
    monkeypatch.setenv("WALLARM_NOTIFY_DATABASE_URL", text)
    Store(Unpooled(read_settings().database())).check()


def test_the_databases_certificate_is_checked_by_the_ca_file(
    tls_database: sa.URL,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = str(Authority(tmp_path, "another").file)
    with pytest.raises(Unavailable, match="root certificate"):
        check_database(monkeypatch, tls_database, sslmode="verify-full")
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority.file))
        check_database(patch, tls_database, sslmode="verify-full")
    monkeypatch.setenv("WALLARM_NOTIFY_CA_FILE", other)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        check_database(monkeypatch, tls_database, sslmode="verify-ca")
    # What the URL says, or libpq's variable, goes before; and where nothing is to be checked nothing is.
    check_database(
        monkeypatch, tls_database, sslmode="verify-full", sslrootcert=str(authority.file)
    )
    check_database(monkeypatch, tls_database, sslmode="require")
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    check_database(monkeypatch, tls_database)
    monkeypatch.delenv("PGSSLROOTCERT")
    monkeypatch.setenv("WALLARM_NOTIFY_CA_FILE", str(authority.file))
    check_database(monkeypatch, tls_database)


def test_without_a_ca_file_the_databases_url_is_as_it_was_set(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    url = "postgresql://me:p%2Fw@host/name?sslmode=require"
    monkeypatch.setenv("WALLARM_NOTIFY_DATABASE_URL", url)
    monkeypatch.setenv("WALLARM_NOTIFY_CA_FILE", str(authority.file))
    assert read_settings().database() == url


def test_the_producer_speaks_tls_with_celery_and_pydantic_alone(
    tls_broker: str, authority: Authority
) -> None:
    code = """
import sys
for name in ("sqlalchemy", "psycopg2", "requests", "cryptography", "pydantic_settings", "certifi"):
    sys.modules[name] = None
from wallarm_notify.producer import Producer
Producer(sys.argv[1]).emit({"type": "rule.created", "client_id": 1, "rule_id": 7})
"""
    subprocess.run(
        [sys.executable, "-c", code, tls_broker],
        env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
        check=True,
        timeout=60,
    )
