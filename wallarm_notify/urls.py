"""URLs in settings: each is read once, at start; a refused one is never shown.

It may have a password.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

_ESCAPES: Final = (
    "in a user name or password / ? # @ ; % are written %2F %3F %23 %40 %3B %25, and a blank %20"
)

_UNWRITTEN: Final = re.compile(r"[\s\\\x00-\x1f\x7f]")
"""Characters that some parsers drop, or take for others (a backslash for a slash): they would read another URL."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_NO_PROXYS_HOST: Final = re.compile(r"[!@{}$'\"^`*<>=;,+&()%]")
"""Characters of names that libcurl refuses."""

_KOMBUS_SCHEMES: Final = {
    "rediss": ("rediss", True),
    "valkey": ("redis", False),
    "valkeys": ("rediss", True),
    "sentinels": ("sentinel", True),
    "amqps": ("amqps", True),
}
"""kombu's scheme for one of ours, and whether it means TLS."""

_REDIS_SCHEMES: Final = ("redis", "rediss", "valkey", "valkeys", "sentinel", "sentinels")
"""Those of a Redis or of its Sentinels at a host."""

_REDIS_DATABASE: Final = re.compile(r"/{0,2}[0-9]{0,9}")


class BadURL(ValueError):
    """A text that is no URL of its kind. The message follows the setting's name, and never repeats the text."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of URL that a setting needs: for people, and as schemes. ``hostless`` are schemes without a host."""

    noun: str
    example: str
    schemes: frozenset[str]
    hostless: frozenset[str] = frozenset()


DATABASE: Final = Kind(
    "a database URL",
    "postgresql://user@host/name",
    frozenset({"postgresql", "postgresql+psycopg2"}),
    hostless=frozenset({"postgresql", "postgresql+psycopg2"}),
)
BROKER: Final = Kind(
    "a broker URL",
    "redis://host:6379/0 or amqp://user:password@host:5672/vhost",
    frozenset(
        {
            *("redis", "rediss", "valkey", "valkeys", "redis+socket", "sentinel", "sentinels"),
            *("amqp", "amqps", "pyamqp"),
        }
    ),
    hostless=frozenset({"redis+socket"}),
)
WEB: Final = Kind("a URL", "https://host", frozenset({"http", "https"}))
PROXY: Final = Kind(
    "a proxy's URL",
    "http://user:password@host:3128",
    frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"}),
)


def read_url(text: str, kind: Kind) -> SplitResult:
    """Return the parts of ``text``, whose host, port and user every parser finds alike. Raise BadURL."""
    parts, fault = _read(text, kind)
    if parts is None or fault:
        raise BadURL(f"is not {kind.noun}, as {kind.example}: {fault}; {_ESCAPES}")
    return parts


def _read(text: str, kind: Kind) -> tuple[SplitResult | None, str]:
    """Return the parts, and what is wrong; an empty text if nothing is."""
    if not _is_text(text) or _UNWRITTEN.search(text):
        return None, "it holds a blank, a backslash or a control character"
    try:
        parts = urlsplit(text)
    except ValueError:
        return None, "its host cannot be read"
    if parts.scheme not in kind.schemes or "://" not in text:
        return None, f"it begins with none of {', '.join(sorted(kind.schemes))}"
    return parts, _fault_of(parts, text, kind)


def _fault_of(parts: SplitResult, text: str, kind: Kind) -> str:
    try:
        port = parts.port
        (parts.hostname or "").encode(
            "idna"
        )  # otherwise the look-up raises an error that is no OSError
    except UnicodeError:
        return "its host cannot be read"
    except ValueError:
        port = 0
    user, _, host = parts.netloc.rpartition("@")
    is_hostless = not parts.hostname and (host or parts.scheme not in kind.hostless)
    faults = {
        "its port is no whole number from 1 to 65535": port == 0 or host.endswith(":"),
        "a # or @ stands behind the host": "#" in text or "@" in parts.path + parts.query,
        "there is more than one @ in it": "@" in user,
        "it names no host": is_hostless,
        "there is a control character in its user name or password": _CONTROL.search(unquote(user)),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # the environment has bytes that are no UTF-8
        return False
    return True


@dataclass(frozen=True, slots=True)
class TLS:
    """The TLS options in a broker's URL; files are paths to PEM files, None if the URL names none."""

    cert_reqs: ssl.VerifyMode = ssl.CERT_REQUIRED
    check_hostname: bool = True
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    @property
    def unchecked(self) -> str | None:
        """The parameter that turns a part of the check off, or None if everything is checked."""
        if self.cert_reqs is ssl.CERT_NONE:
            return "ssl_cert_reqs=none"
        return None if self.check_hostname else "ssl_check_hostname=false"


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker, or several that take each other's place.

    ``url`` is for kombu, without the options in ``tls``, which is None for a connection without TLS.
    """

    url: str = field(repr=False)
    scheme: str
    tls: TLS | None

    @property
    def is_redis(self) -> bool:
        """Whether it speaks Redis's protocol, not RabbitMQ's."""
        return self.scheme.startswith("redis") or self.is_behind_sentinel

    @property
    def is_behind_sentinel(self) -> bool:
        """Whether the URL names Sentinels, which name the Redis."""
        return self.scheme == "sentinel"


def read_broker(text: str) -> Broker:
    """Return the broker, or the brokers separated by ``;``, that ``text`` names. Raise BadURL.

    kombu accepts everything that this accepts; parameters that it would show, or fail on, are refused.
    """
    first, *others = (_read_one(one) for one in text.split(";"))
    if others and first.scheme == "redis+socket":
        raise BadURL("names several brokers, and redis+socket:// has no others beside it")
    if any((other.scheme, other.tls) != (first.scheme, first.tls) for other in others):
        raise BadURL(
            "names several brokers that differ in more than user, host and path: all need the same scheme and "
            "the same ssl_ parameters"
        )
    if first.is_behind_sentinel and any(_login(other) != _login(first) for other in others):
        raise BadURL(
            "names several Sentinels with different users, passwords or databases: these are of the one Redis that "
            "the Sentinels name; write the same before and behind each host"
        )
    return Broker(";".join(one.url for one in (first, *others)), first.scheme, first.tls)


def _login(broker: Broker) -> tuple[str, str]:
    """Return what a URL says of the user and the database."""
    parts = urlsplit(broker.url)
    return parts.netloc.rpartition("@")[0], parts.path.strip("/") or "0"


def _read_one(text: str) -> Broker:
    if "cluster" in text.partition("://")[0]:
        raise BadURL(
            "names a Redis Cluster, where queues and the notes on what workers hold lie apart; name a Redis or Valkey "
            "that stands alone, as redis://host:6379/0, or its Sentinels, as sentinel://host:26379/0"
        )
    parts = read_url(text, BROKER)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if given.keys() & {"password", "username", "userid", "user"}:
        raise BadURL(
            "has its user name or password behind the ?, where it is shown; write them before the host, as "
            "redis://:password@host:6379/0 or redis+socket://:password@/run/redis.sock"
        )
    if parts.scheme == "redis+socket":
        known, path_is_fine = {"virtual_host": _is_redis_database}, len(parts.path) > 1
    elif parts.scheme in _REDIS_SCHEMES:
        known = _SSL_PARAMETERS | {"credential_provider": _can_be_imported}
        path_is_fine = _is_redis_database(unquote(parts.path))
    else:
        known = _SSL_PARAMETERS | {
            "heartbeat": _is_number,
            "login_method": {"PLAIN", "AMQPLAIN", "EXTERNAL"}.__contains__,
        }
        path_is_fine = True
    if not path_is_fine:
        raise BadURL(
            "is not a broker URL: behind Redis' host comes the number of a database, as redis://host:6379/0, and "
            f"behind redis+socket:// the path of a socket, as redis+socket:///run/redis.sock; {_ESCAPES}"
        )
    for name, value in given.items():
        if name not in known or not known[name](value):
            raise BadURL(
                f"has a parameter behind the ? that is not taken; {parts.scheme}:// takes "
                f"{', '.join(sorted(known))}, with the values that Celery's documentation has"
            )
    ssl_given = {name: value for name, value in given.items() if name in _SSL_PARAMETERS}
    rest = {name: value for name, value in given.items() if name not in _SSL_PARAMETERS}
    scheme, has_tls = _KOMBUS_SCHEMES.get(parts.scheme, (parts.scheme, False))
    tls = _tls_of(ssl_given) if ssl_given or has_tls else None
    # Not joined from its parts: that would leave two slashes out of redis+socket:///.
    base = f"{scheme}://{text.partition('?')[0].partition('://')[2]}"
    return Broker(f"{base}?{urlencode(rest)}" if rest else base, scheme, tls)


def _tls_of(given: Mapping[str, str]) -> TLS:
    return TLS(
        cert_reqs=_CERT_REQS[given.get("ssl_cert_reqs", "required")],
        check_hostname=given.get("ssl_check_hostname", "true").lower() == "true",
        ca_certs=given.get("ssl_ca_certs"),
        certfile=given.get("ssl_certfile"),
        keyfile=given.get("ssl_keyfile"),
    )


def _is_redis_database(value: str) -> bool:
    return bool(_REDIS_DATABASE.fullmatch(value))


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,6}", value))


def _can_be_imported(value: str) -> bool:
    from kombu.utils import symbol_by_name  # noqa: PLC0415 - almost never needed

    try:
        symbol_by_name(value)
    except Exception:  # noqa: BLE001 - importing a module may raise anything
        return False
    return True


_CERT_REQS: Final = {
    **dict.fromkeys(("required", "CERT_REQUIRED"), ssl.CERT_REQUIRED),
    **dict.fromkeys(("optional", "CERT_OPTIONAL"), ssl.CERT_OPTIONAL),
    **dict.fromkeys(("none", "CERT_NONE"), ssl.CERT_NONE),
}

_SSL_PARAMETERS: Final = {
    "ssl_cert_reqs": _CERT_REQS.__contains__,
    "ssl_check_hostname": lambda value: value.lower() in ("true", "false"),
    **dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), bool),
}


def proxy_faults(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the proxies that libcurl would take from ``environ``, by the variable's name.

    libcurl reads ``http_proxy`` in lower case only, and the others in capitals if the lower case ones are
    unset.
    """
    faults = {}
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        names = (name,) if name == "http_proxy" else (name, name.upper())
        read = next((one for one in names if environ.get(one)), None)
        if read is None:
            continue
        fault = (_exception_fault if name == "no_proxy" else _proxy_fault)(environ[read])
        if fault is not None:
            faults[read] = fault
    return faults


def _proxy_fault(text: str) -> str | None:
    try:
        # To libcurl a proxy without a scheme is one of http.
        parts = read_url(text if "://" in text else f"http://{text}", PROXY)
    except BadURL as error:
        return str(error)
    if _NO_PROXYS_HOST.search(parts.hostname or ""):
        return f"is not {PROXY.noun}, as {PROXY.example}: its host cannot be read"
    return None


def _exception_fault(text: str) -> str | None:
    if "@" in text or "://" in text:
        return (
            "holds a URL; it is a list of hosts that no proxy is asked for, as localhost,10.0.0.0/8"
        )
    return None


def shown(url: str) -> str:
    """Return ``url`` for people: its scheme and host, or its path if it has no host."""
    parts = urlsplit(url)
    host = unquote(parts.netloc.rpartition("@")[2])
    return f"{parts.scheme}://{host or parts.path}"


def without_credentials(text: str) -> str:
    """Return a library's ``text`` without the user and password of a URL in it.

    Everything is cut from the beginning of the first URL, or of a quoted text, to the last @.
    """
    before, at, after = text.rpartition("@")
    if not at:
        return text
    begins = [place + len(mark) for mark in ("://", "'") if (place := before.find(mark)) >= 0]
    begin = min(begins) if begins else before.rfind(" ") + 1
    return before[:begin] + after
