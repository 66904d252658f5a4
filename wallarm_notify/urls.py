"""URLs in settings: each is read once, at start; a refused one is never shown.

It may have a password.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit
from uuid import UUID

_ESCAPES: Final = (
    "in a user name or password / ? # @ ; % are written %2F %3F %23 %40 %3B %25, and a blank %20"
)

_SEVERAL_HOSTS: Final = (
    "it names several hosts, which are written behind the ?, as "
    "postgresql://user@/name?host=one:5432&host=two:5432&target_session_attrs=read-write"
)

_LIBPQS_PARAMETERS: Final = (
    "behind the ? stand libpq's parameters, as ?host=/run/postgresql&sslmode=verify-full"
)

_PORT: Final = re.compile("[0-9]*")

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


def bad_parameters() -> BadURL:
    """Return the error for a database URL whose parameters libpq would not take."""
    return BadURL(f"is not {DATABASE.noun}, as {DATABASE.example}: {_LIBPQS_PARAMETERS}")


def database_parameters(text: str) -> dict[str, str]:
    """Return what libpq is given for the database URL ``text``, by libpq's names. Raise BadURL.

    What stands behind the ? has precedence. Only ``host`` and ``port`` may be there more than once, as
    ``?host=one:5432&host=two:5432``: libpq is given them with commas between. Whether libpq knows the other
    names is not checked.
    """
    parts = read_url(text, DATABASE)
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    given = {
        "user": unquote(user),
        "password": unquote(password),
        "host": _host_of(place),
        "port": "" if parts.port is None else str(parts.port),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    named: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query):
        named.setdefault(name, []).append(value)
    behind = _hosts_and_ports(named.pop("host", []), named.pop("port", []))
    if any(len(values) > 1 for values in named.values()):
        raise bad_parameters()
    behind |= {name: value for name, (value,) in named.items()}
    return {name: value for name, value in given.items() if value} | behind


def _host_of(place: str) -> str:
    """Return the host of ``host:port``, as it is written; urllib's has lost its capitals."""
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0]


def _hosts_and_ports(hosts: Sequence[str], ports: Sequence[str]) -> dict[str, str]:
    """Return the hosts and ports that are named behind the ?, each joined by commas. Raise BadURL."""
    is_one_by_one = len(hosts) > 1
    if len(hosts) == 1:
        hosts = hosts[0].split(",")
    if len(ports) == 1:
        ports = ports[0].split(",")
    is_socket = len(hosts) == 1 and hosts[0].startswith("/")  # whose path may have a colon
    pairs = [(host, "") if is_socket else _with_port(host) for host in hosts]
    own = [port for _, port in pairs]
    if (ports and (is_one_by_one or any(own))) or not all(map(_PORT.fullmatch, [*ports, *own])):
        raise bad_parameters()
    ports = ports or own
    if len(hosts) != len(ports) and (hosts or len(ports) > 1):
        raise bad_parameters()
    joined = {"host": ",".join(host for host, _ in pairs), "port": ",".join(ports)}
    return {name: value for name, value in joined.items() if value}


def _with_port(host: str) -> tuple[str, str]:
    """Return a host and its port, which is empty if it has none: an address of IPv6 has more than one colon."""
    name, _, port = host.partition(":")
    return (host, "") if ":" in port else (name, port)


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
        if kind is DATABASE and "," in parts.netloc.rpartition("@")[2]:
            return _SEVERAL_HOSTS  # as libpq itself writes them
        port = 0
    user, _, host = parts.netloc.rpartition("@")
    is_hostless = not parts.hostname and (host or parts.scheme not in kind.hostless)
    faults = {
        "its port is no whole number from 1 to 65535": port == 0 or host.endswith(":"),
        "a # or @ stands behind the host": "#" in text or "@" in parts.path + parts.query,
        "there is more than one @ in it": "@" in user,
        "it names no host": is_hostless,
        _SEVERAL_HOSTS: kind is DATABASE and _joins_hosts(parts.query),
        "there is a control character in its user name or password": _CONTROL.search(unquote(user)),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def _joins_hosts(query: str) -> bool:
    """Return whether a parameter has several hosts with ports, which SQLAlchemy takes for parts of their names."""
    return any(
        name == "host" and "," in value and any(one.count(":") == 1 for one in value.split(","))
        for name, value in parse_qsl(query)
    )


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
    """Return whether kombu finds what is named as ``module.name`` or ``module:name``."""
    module, _, name = value.rpartition(":" if ":" in value else ".")
    try:
        getattr(import_module(module), name)
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


def task_page(flower_url: str, task_id: UUID) -> str:
    """Return the address of a task's page in the Flower at ``flower_url``."""
    return f"{flower_url.rstrip('/')}/task/{task_id}"
