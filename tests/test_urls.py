from __future__ import annotations

import string
from typing import Any, Final
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from kombu import Connection
from kombu.transport.redis import Channel
from sqlalchemy.exc import ArgumentError

from wallarm_notify.urls import (
    BROKER,
    DATABASE,
    PROXY,
    WEB,
    BadURL,
    database_parameters,
    proxy_faults,
    read_broker,
    read_url,
    shown,
    without_credentials,
)

SECRET: Final = "hunter2"

KINDS: Final = {"database": DATABASE, "broker": BROKER, "web": WEB, "proxy": PROXY}


def refusal(url: str) -> str:
    """The words in which a broker's URL is refused, which never repeat it."""
    with pytest.raises(BadURL) as error:
        read_broker(url)
    message = str(error.value)
    assert SECRET not in message
    assert "\n" not in message
    return message


def given_to_redis(connection: Connection) -> dict[str, Any]:
    """What kombu would give its Redis client."""
    channel: Any = object.__new__(Channel)
    channel.connection = connection.transport
    given: dict[str, Any] = channel._connparams()
    return given


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "it begins with none of"),
        (f"host:{SECRET}", "it begins with none of"),
        (f"redis:{SECRET}", "it begins with none of"),
        (f"memory://{SECRET}", "it begins with none of amqp, amqps, pyamqp, redis, redis+socket"),
        (f"redis://:{SECRET}/x@host/0", "its port is no whole number"),
        (f"redis://user:12/{SECRET}@host/0", "@ stands behind the host"),
        (f"redis://user:12?{SECRET}@host/0", "@ stands behind the host"),
        (f"redis://user:12#{SECRET}@host/0", "@ stands behind the host"),
        (f"redis://host/0#{SECRET}", "@ stands behind the host"),
        (f"redis://:{SECRET}@x@host/0", "more than one @"),
        (f"redis://:{SECRET}", "its port is no whole number"),
        (f"redis://:{SECRET}@host:0/0", "its port is no whole number"),
        (f"redis://:{SECRET}@host:65536/0", "its port is no whole number"),
        (f"redis://:{SECRET}@/0", "it names no host"),
        (f"redis://:{SECRET}@:6379/0", "it names no host"),
        ("amqp://", "it names no host"),
        (f"redis+socket://:{SECRET}@host:port/run/redis.sock", "its port is no whole number"),
        (f"redis://:{SECRET}@[::1/0", "its host cannot be read"),
        (f"redis://:{SECRET}@a..b/0", "its host cannot be read"),
        (f"redis://:{SECRET}@{'a' * 64}/0", "its host cannot be read"),
        (f"redis://:{SECRET} x@host/0", "a blank, a backslash or a control character"),
        (f"redis://:{SECRET}\n@host/0", "a blank, a backslash or a control character"),
        (f"redis://:{SECRET}\\x@host/0", "a blank, a backslash or a control character"),
        (f"redis://:{SECRET}\udcff@host/0", "a blank, a backslash or a control character"),
        (f"redis://:{SECRET}%00@host/0", "a control character in its user name or password"),
        (f"redis://:{SECRET}@host/name", "comes the number of a database"),
        (f"redis+socket://:{SECRET}@", "the path of a socket"),
    ],
)
def test_what_is_no_brokers_url_is_refused_with_the_reason(url: str, why: str) -> None:
    message = refusal(url)
    assert why in message
    assert "%2F" in message


@pytest.mark.parametrize(
    "url",
    [
        f"redis://host/0?password={SECRET}",
        f"redis://host/0?%70assword={SECRET}",
        f"redis+socket:///run/redis.sock?password={SECRET}",
        f"amqp://host//?userid={SECRET}",
    ],
)
def test_a_password_behind_the_question_mark_is_refused(url: str) -> None:
    assert "write them before the host" in refusal(url)


@pytest.mark.parametrize(
    "parameter",
    [
        f"socket_timeout={SECRET}",
        "ssl=true",
        "ssl_cert_reqs=maybe",
        "ssl_cert_reqs=",
        "ssl_check_hostname=perhaps",
        f"ssl_password={SECRET}",
        f"credential_provider=os.path:{SECRET}",
        f"{SECRET}",
    ],
)
def test_a_parameter_that_kombu_would_fail_on_is_refused(parameter: str) -> None:
    assert "a parameter behind the ? that is not taken" in refusal(f"rediss://host/0?{parameter}")


def test_what_stands_in_for_a_broker_is_of_its_kind() -> None:
    taken = read_broker(f"redis://:{SECRET}@one/0;redis://two:1/0")
    assert taken.url == f"redis://:{SECRET}@one/0;redis://two:1/0"
    assert SECRET not in repr(taken)
    for other in ("amqp://two//", "rediss://two/0", "redis://two/0?ssl_cert_reqs=none"):
        assert "names several brokers that differ" in refusal(f"redis://one/0;{other}")
    assert "no others beside it" in refusal("redis+socket:///a;redis+socket:///b")
    # A ; of a password, too, ends a URL.
    assert "%3B" in refusal(f"redis://:a;{SECRET}@host/0")
    assert "%3B" in refusal(f"redis://user;{SECRET}@host/0")


def test_the_url_that_kombu_gets_has_no_options_of_tls() -> None:
    broker = read_broker("rediss://host/0?ssl_cert_reqs=none&ssl_ca_certs=/a%20b.pem")
    assert broker.url == "rediss://host/0"
    assert broker.tls is not None
    assert (broker.tls.ca_certs, broker.tls.unchecked) == ("/a b.pem", "ssl_cert_reqs=none")
    assert read_broker("amqps://host//?heartbeat=30").url == "amqps://host//?heartbeat=30"
    assert read_broker("redis://host/0").tls is None


@pytest.mark.parametrize(
    ("url", "kombus", "has_tls"),
    [
        ("valkey://:x@host/1", "redis://:x@host/1", False),
        ("valkeys://host/0?ssl_cert_reqs=none", "rediss://host/0", True),
        (
            "sentinel://:x@one:1/0;sentinel://:x@two/0",
            "sentinel://:x@one:1/0;sentinel://:x@two/0",
            False,
        ),
        ("sentinels://one/0", "sentinel://one/0", True),
        ("sentinel://one/0?ssl_cert_reqs=none", "sentinel://one/0", True),
        ("valkey://one/0;redis://two/0", "redis://one/0;redis://two/0", False),
    ],
)
def test_other_schemes_of_a_redis_become_those_that_kombu_knows(
    url: str, kombus: str, has_tls: bool
) -> None:
    broker = read_broker(url)
    assert (broker.url, broker.tls is not None, broker.is_redis) == (kombus, has_tls, True)
    assert broker.is_behind_sentinel == kombus.startswith("sentinel")


@pytest.mark.parametrize(
    "other",
    [
        "sentinel://two/0",
        "sentinel://:another@two/0",
        f"sentinel://user:{SECRET}@two/0",
        f"sentinel://:{SECRET}@two/1",
    ],
)
def test_several_sentinels_lead_to_one_redis_by_one_login(other: str) -> None:
    assert "several Sentinels with different" in refusal(f"sentinel://:{SECRET}@one/0;{other}")


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster", "valkey+cluster"])
def test_a_cluster_is_refused_by_its_name(scheme: str) -> None:
    assert "names a Redis Cluster" in refusal(f"{scheme}://:{SECRET}@host:6379")


def test_a_sockets_password_and_database_reach_redis_and_are_not_shown() -> None:
    broker = read_broker(f"redis+socket://:{SECRET}@/run/redis.sock?virtual_host=2")
    with Connection(broker.url) as connection:
        assert shown(connection.as_uri()) == "redis+socket:///run/redis.sock"
        given = given_to_redis(connection)
    assert (given["path"], given["db"], given["password"]) == ("/run/redis.sock", 2, SECRET)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    user=st.text(min_size=1),
    password=st.text(min_size=1),
)
@example(kind="broker", user="me", password="a/b#c?d@e%f:g[h]i;j\\k l")
def test_a_password_that_is_escaped_is_taken_whatever_is_in_it(
    kind: str, user: str, password: str
) -> None:
    def is_fine(text: str) -> bool:
        return all(c.isprintable() or c.isspace() for c in text) and not set(text) & {
            *"\n\r\t\v\f\x1c\x1d\x1e\x1f\x85"
        }

    url = f"{min(KINDS[kind].schemes)}://{quote(user, safe='')}:{quote(password, safe='')}@host:1/0"
    if not (is_fine(user) and is_fine(password)):
        return
    parts = read_url(url, KINDS[kind])
    assert (parts.hostname, parts.port) == ("host", 1)
    if kind == "broker":
        with Connection(read_broker(url).url) as connection:
            assert (connection.hostname, connection.userid, connection.password) == (
                "host",
                user,
                password,
            )
    if kind == "database":
        made = sa.make_url(url)
        assert (made.host, made.username, made.password) == ("host", user, password)


AWKWARD: Final = st.text(
    string.ascii_letters + string.digits + ":/?#[]@!$&'()*+,;=%\\ \n\t\0é", max_size=12
)


@given(before=AWKWARD, after=AWKWARD, rest=AWKWARD, scheme=st.sampled_from(sorted(BROKER.schemes)))
def test_what_is_taken_kombu_takes_and_what_is_not_is_not_repeated(
    before: str, after: str, rest: str, scheme: str
) -> None:
    url = f"{scheme}://{before}{SECRET}{after}@host{rest}"
    broker = None
    message = ""
    try:
        broker = read_broker(url)
    except BadURL as error:
        message = str(error)
    assert SECRET not in message
    if broker is None:
        return
    with Connection(broker.url, ssl={}) as connection:
        at = connection.as_uri()
        assert SECRET not in shown(at)
        assert connection.get_transport_cls()
        if scheme.startswith("redis"):
            assert given_to_redis(connection)["db"] >= 0


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Could not resolve host: a.b", "Could not resolve host: a.b"),
        ("in 'http://u:p@h:1'", "in 'h:1'"),
        ("in 'u:p@h:1'", "in 'h:1'"),
        ("in http://u:p/q r@s@h and http://v:w@h", "in http://h"),
        ("with u:p@h", "with h"),
        ("u:p@h", "h"),
        ("@", ""),
    ],
)
def test_what_may_be_a_user_and_password_is_cut_out_of_a_text(text: str, left: str) -> None:
    assert without_credentials(text) == left


# Proxies.


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example:3128",
        "proxy.example:3128",
        f"me:{SECRET}@proxy.example:3128",
        f"http://me:p%2F%40%23{SECRET}@proxy.example:3128/",
        "https://proxy.example",
        "socks5h://127.0.0.1:1080",
        "http://[::1]:3128",
    ],
)
def test_a_proxy_may_be(url: str) -> None:
    assert proxy_faults({"https_proxy": url, "http_proxy": url, "ALL_PROXY": url}) == {}


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}/x@proxy.example:3128",
        f"me:{SECRET}#x@proxy.example:3128",
        f"http://me:{SECRET}@proxy.example:port",
        f"gopher://me:{SECRET}@proxy.example",
        f"http://me:{SECRET}@pro'xy",
        f"http://me:{SECRET}%0a@proxy.example",
        f"http://me:{SECRET}@",
    ],
)
@pytest.mark.parametrize(
    "name", ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]
)
def test_a_proxy_that_libcurl_cannot_read_is_refused_by_its_name(name: str, url: str) -> None:
    ((named, message),) = proxy_faults({name: url}).items()
    assert named == name
    assert message.startswith("is not a proxy's URL, as http://user:password@host:3128: ")
    assert SECRET not in message


def test_only_what_libcurl_reads_is_looked_at() -> None:
    wrong = "http://me:x/y@h"
    assert proxy_faults({"HTTP_PROXY": wrong, "ftp_proxy": wrong}) == {}
    assert proxy_faults({"https_proxy": "http://h", "HTTPS_PROXY": wrong}) == {}
    assert proxy_faults({"https_proxy": "", "HTTPS_PROXY": wrong}).keys() == {"HTTPS_PROXY"}
    assert proxy_faults({}) == {}


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_that_no_proxy_is_asked_for_are_no_urls(name: str) -> None:
    assert proxy_faults({name: "localhost, .example.com,10.0.0.0/8,[::1],*"}) == {}
    ((named, message),) = proxy_faults({name: f"http://me:{SECRET}@host"}).items()
    assert (named, SECRET in message) == (name, False)
    assert "localhost,10.0.0.0/8" in message


def as_sqlalchemy_reads(url: str) -> dict[str, str] | None:
    """Return what SQLAlchemy would give the driver; None: it refuses the URL."""
    try:
        made = sa.make_url(url).set(drivername="postgresql+psycopg2")
        given = made.get_dialect()().create_connect_args(made)[1]
    except (ArgumentError, ValueError):
        return None
    return {name: str(value) for name, value in given.items()}


HOSTS: Final = (
    "one",
    "Two.example",
    "one:1",
    "two:2",
    "1.2.3.4:5",
    "a,b",
    "",
    "/run/a",
    "/run/a:1",
)

QUERIES: Final = st.lists(
    st.tuples(st.just("host"), st.sampled_from(HOSTS))
    | st.tuples(st.just("port"), st.sampled_from(["1", "1,2", "x", ",", ""]))
    | st.tuples(st.just("user"), AWKWARD)
    | st.tuples(st.just("sslmode"), st.sampled_from(["require", ""])),
    max_size=4,
    unique_by=lambda one: one if one[0] in ("host", "port") else one[0],
)


@given(
    login=st.sampled_from(["", "me@", "@", "me:@", ":secret@", "m%20e:s%2Fec%40ret@", "me:a:b@"]),
    place=st.sampled_from(
        ["", "host", "Host.Example:5432", "[::1]", "[fe80::1]:5", "host:05", ":5", "host:", "a%2Fb"]
    ),
    path=st.sampled_from(["", "/", "/name", "/n%20a/me", "//name", "/n+a"]),
    query=QUERIES,
    scheme=st.sampled_from(sorted(DATABASE.schemes)),
)
@example("me@", "", "/name", [("host", "one,two"), ("port", "1,2")], "postgresql")
@example("me@", "", "/name", [("host", "::1,::2")], "postgresql")
@example("me@", "host:1", "/name", [("host", "one"), ("host", "two")], "postgresql")
def test_of_a_database_url_the_driver_is_given_what_sqlalchemy_would_give_it(
    login: str, place: str, path: str, query: list[tuple[str, str]], scheme: str
) -> None:
    behind = "&".join(f"{name}={quote(value, safe=',:/')}" for name, value in query)
    url = f"{scheme}://{login}{place}{path}" + (f"?{behind}" if query else "")
    try:
        given = database_parameters(url)
    except BadURL:
        try:
            read_url(url, DATABASE)
        except BadURL:
            return
        given = None
    wanted = as_sqlalchemy_reads(url)
    if wanted and ":" in wanted.get("host", "") and given is None:
        return  # a host of this name would be looked up
    assert given == wanted


@pytest.mark.parametrize(
    "query", ["sslmode=require&sslmode=disable", "host=one:x", "host=one&host=two:1&port=2"]
)
def test_parameters_of_a_database_of_which_one_would_be_ignored_or_cannot_be_are_refused(
    query: str,
) -> None:
    with pytest.raises(BadURL, match="stand libpq's parameters"):
        database_parameters(f"postgresql://me:{SECRET}@/name?{query}")


def test_addresses_of_ipv6_may_be_named_one_by_one() -> None:
    """SQLAlchemy would take each for a host with two ports, and connect to this machine."""
    assert database_parameters("postgresql:///?host=::1&host=::2") == {
        "host": "::1,::2",
        "port": ",",
    }
