"""TLS to servers with a CA of their own: what is trusted, and why a server was not."""

import ssl
from typing import Any, Final

from wallarm_notify.domain.errors import system_words
from wallarm_notify.urls import TLS, BadURL, Broker

SSL_CERT_FILE: Final = "SSL_CERT_FILE"
"""OpenSSL's own variable, which is used if no CA file is set."""


class _NamedAnew(dict[str, Any]):
    """TLS options for several brokers: kombu stores the first host's name in them, and would check the next by it."""

    def __getitem__(self, name: str) -> Any:
        return None if name == "server_hostname" else super().__getitem__(name)


def use_ssl(broker: Broker, ca_file: str | None) -> dict[str, Any] | None:
    """Return kombu's ``ssl``, which Celery calls ``broker_use_ssl``; None without TLS.

    Certificate and host name are checked, unless the broker's URL says otherwise. ``ca_file`` has the CAs
    if the URL names none; None: those of this machine, or of SSL_CERT_FILE.
    """
    tls = broker.tls
    if tls is None:
        return None
    names = tls.check_hostname and tls.cert_reqs is not ssl.CERT_NONE
    files = {
        "ca_certs": tls.ca_certs or ca_file,
        "certfile": tls.certfile,
        "keyfile": tls.keyfile,
    }
    given = {"cert_reqs": tls.cert_reqs, **{name: file for name, file in files.items() if file}}
    if broker.is_redis:
        named = {f"ssl_{name}": value for name, value in given.items()}
        return {**named, "ssl_check_hostname": names}
    # None means the host of the URL; without this option py-amqp checks no name.
    return _NamedAnew(given, **({"server_hostname": None} if names else {}))


def ca_fault(path: str) -> str | None:
    """Return what is wrong with a file of CAs, as a sentence's end; None if it is usable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "is no PEM file with a certificate"
    except (OSError, ValueError) as error:
        return (
            f"cannot be read ({system_words(error) if isinstance(error, OSError) else 'no path'})"
        )
    return None if context.cert_store_stats()["x509"] else "is no PEM file with a certificate"


def check_files(tls: TLS | None) -> None:
    """Raise BadURL if a file that a broker's URL names cannot be used."""
    if tls is None:
        return
    if tls.ca_certs and (fault := ca_fault(tls.ca_certs)):
        raise BadURL(f"names a file in ssl_ca_certs that {fault}")
    if tls.keyfile and not tls.certfile:
        raise BadURL("has an ssl_keyfile and no ssl_certfile; name both")
    if tls.certfile:
        try:
            # An empty password, so that OpenSSL does not ask for one on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                tls.certfile, tls.keyfile, password=""
            )
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
                raise BadURL(
                    f"names a file in ssl_certfile or ssl_keyfile that cannot be read ({system_words(error)})"
                ) from None
            raise BadURL(
                "names files in ssl_certfile and ssl_keyfile that are no certificate and its key, without a "
                "password, in PEM"
            ) from None


def certificate_fault(error: BaseException) -> str | None:
    """Return why a server's certificate was not accepted, and what to do; None for any other ``error``."""
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not accepted: {one.verify_message.rstrip('.')}; name the file of its CA in "
                "WALLARM_NOTIFY_CA_FILE (a Producer's ca_file) or SSL_CERT_FILE, and the host as the certificate does"
            )
        one = one.__cause__ or one.__context__
    return None


def unchecked_warning(name: str, tls: TLS | None) -> str | None:
    """Return a warning if the URL in ``name`` turns a part of the TLS checks off."""
    if tls is None or tls.unchecked is None:
        return None
    return (
        f"{name} says {tls.unchecked}: whoever is between here and the broker can pose as it, and read and change "
        "every message."
    )
