from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from wallarm_notify.bootstrap import policy_of
from wallarm_notify.domain.health import Policy
from wallarm_notify.settings import Settings, SettingsError, read_settings, unknown_variables
from wallarm_notify.settings import settings as settings_of_this_process
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from pathlib import Path

    from certificates import Authority

PREFIX = "WALLARM_NOTIFY_"

DEFAULTS: dict[str, Any] = {
    "database_url": None,
    "broker_url": None,
    "secret_keys": None,
    "ca_file": None,
    "pagerduty_us_url": "https://events.pagerduty.com/",
    "pagerduty_eu_url": "https://events.eu.pagerduty.com/",
    "pagerduty_plain_http_hosts": "",
    "console_us_url": "https://us1.my.wallarm.com/",
    "console_eu_url": "https://my.wallarm.com/",
    "console_me_url": None,
    "public_url": None,
    "flower_url": None,
    "flower_login": None,
    "cloud": "us",
    "summary": "brief",
    "connect_timeout": 5,
    "request_timeout": 15,
    "rate_limit_per_minute": 100,
    "retry_time_scale": 1,
    "lease_seconds": 30,
    "grace_seconds": 15,
    "sweep_seconds": 5,
    "failure_ratio": 60,
    "failure_window": 12 * 3600,
    "failure_min_attempts": 17,
    "failure_min_span": 51 * 60 + 8,
    "outage_guard": True,
    "broker_may_evict": False,
    "sentinel_master_name": None,
    "sentinel_username": None,
    "sentinel_password": None,
    "broker_key_prefix": "",
    "broker_wait_replicas": 0,
    "review_seconds": 60,
    "visibility_timeout": 120,
    "events_queue_type": "classic",
    "rejected_per_day": 10_000,
    "retention_days": 90,
    "unmatched_retention_days": None,
    "prune_seconds": 5,
    "drill_hours": 0,
    "api_threads": 8,
    "api_token_rate": 1200,
    "trusted_proxies": "",
    "identity_header": "",
    "heartbeat_url": None,
    "log_format": "text",
    "liveness_file": None,
    "hosts": "",
    "env_file": ".env",
}


@pytest.fixture(autouse=True)
def _without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WALLARM_NOTIFY_ENV_FILE")


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    """The settings of an environment that holds just these."""
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    return read_settings()


def refusal(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    """The sentence by which these are refused."""
    with pytest.raises(SettingsError) as error:
        settings(monkeypatch, **values)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize(("name", "value"), list(DEFAULTS.items()), ids=list(DEFAULTS))
def test_unset_a_setting_has_its_default(name: str, value: Any) -> None:
    got = getattr(read_settings(), name)
    assert (str(got) if name.endswith("_url") and got else got) == value


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_a_setting_that_is_empty_is_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert getattr(settings(monkeypatch, **{name: ""}), name) == getattr(Settings(), name)


def test_every_setting_has_its_default_tested() -> None:
    assert set(DEFAULTS) == set(Settings.model_fields)


def test_times_are_spans() -> None:
    assert read_settings().lease == timedelta(seconds=30)
    assert read_settings().grace == timedelta(seconds=15)


@pytest.mark.parametrize("name", ["database", "broker", "fernet_keys"])
def test_what_is_needed_and_not_set_is_named_with_an_example(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^WALLARM_NOTIFY_\w+ is not set; set it to .+\.$"):
        getattr(read_settings(), name)()


@pytest.mark.parametrize(
    ("lease", "request_timeout", "fits"),
    [("20", "15", True), ("19.9", "15", False), ("30", "25", True), ("30", "25.1", False)],
)
def test_a_lease_outlives_a_request_by_5_seconds(
    monkeypatch: pytest.MonkeyPatch, lease: str, request_timeout: str, *, fits: bool
) -> None:
    values = {"lease_seconds": lease, "request_timeout": request_timeout}
    if fits:
        assert settings(monkeypatch, **values).lease_seconds == float(lease)
    else:
        text = refusal(monkeypatch, **values)
        assert f"LEASE_SECONDS ({lease}) must be at least" in text
        assert f"REQUEST_TIMEOUT ({request_timeout}) + 5" in text


def test_connecting_takes_no_longer_than_the_whole_request(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, connect_timeout="3", request_timeout="3")
    assert "CONNECT_TIMEOUT (3.1) must not be longer than" in refusal(
        monkeypatch, connect_timeout="3.1"
    )


def test_the_span_fits_into_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, failure_window="3120")
    text = refusal(monkeypatch, failure_window="3060")
    assert "FAILURE_MIN_SPAN (3068 s) must fit into WALLARM_NOTIFY_FAILURE_WINDOW (3060 s)" in text
    settings(monkeypatch, failure_window="60", failure_min_span="0")


def test_the_retention_holds_the_failure_window(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, retention_days="0.5")
    text = refusal(monkeypatch, retention_days="0.49")
    assert "RETENTION_DAYS (0.49) must hold WALLARM_NOTIFY_FAILURE_WINDOW (43200 s)" in text


def test_quorum_queues_are_rabbitmqs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, events_queue_type="quorum", broker_url="amqp://localhost//")
    text = refusal(monkeypatch, broker_url="redis://:secret@localhost:6379/0")
    assert "EVENTS_QUEUE_TYPE is quorum, which only RabbitMQ has" in text
    assert "secret" not in text


SENTINELS = "sentinel://:secret@one:26379/0;sentinel://:secret@two:26379/0"


def test_sentinels_need_the_name_of_their_master(monkeypatch: pytest.MonkeyPatch) -> None:
    text = refusal(monkeypatch, broker_url=SENTINELS)
    assert "SENTINEL_MASTER_NAME is not set" in text
    assert "«sentinel monitor»" in text
    got = settings(monkeypatch, sentinel_master_name="notify", sentinel_password="hunter2")
    assert got.read_broker().is_redis
    assert got.redis_setup.options(got.read_broker(), None) == {
        "master_name": "notify",
        "sentinel_kwargs": {"password": "hunter2"},
    }
    assert "hunter2" not in f"{got!r}{got.redis_setup!r}"


@pytest.mark.parametrize("name", ["sentinel_master_name", "sentinel_username", "sentinel_password"])
def test_what_is_for_sentinels_is_refused_without_them(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = refusal(monkeypatch, broker_url="redis://host/0", **{name: "hunter2"})
    assert f"{name.upper()} is set, which is for sentinel:// alone" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "value"), [("broker_key_prefix", "eu:"), ("broker_wait_replicas", "1")]
)
def test_what_only_a_redis_has_is_refused_for_another_broker(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    text = refusal(monkeypatch, broker_url="amqp://host//", **{name: value})
    assert f"{name.upper()} is set, which only a Redis has" in text
    got = settings(monkeypatch, broker_url="redis://host/0")
    options = {"broker_key_prefix": "global_keyprefix", "broker_wait_replicas": "wait_replicas"}
    assert list(got.redis_setup.options(got.read_broker(), None)) == [options[name]]


@pytest.mark.parametrize("prefix", ["a b", "a*", "[", "ä", "x" * 101, "{a"])
def test_a_prefix_of_keys_needs_no_escape_in_an_acl(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    text = refusal(monkeypatch, broker_url="redis://host/0", broker_key_prefix=prefix)
    assert "BROKER_KEY_PREFIX is no prefix of keys" in text


def test_over_tls_the_sentinels_are_spoken_to_over_tls_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "sentinels://one/0?ssl_check_hostname=false"
    got = settings(monkeypatch, broker_url=url, sentinel_master_name="notify")
    kwargs = got.redis_setup.options(got.read_broker(), None)["sentinel_kwargs"]
    assert kwargs == {
        "ssl": True,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": False,
    }


def test_unset_the_policy_is_the_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy_of(settings(monkeypatch)) == Policy()


def test_the_span_is_scaled_with_the_waits_and_nothing_else_of_the_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox = "http://127.0.0.1:8088"
    got = policy_of(
        settings(
            monkeypatch,
            retry_time_scale="0.5",
            pagerduty_us_url=sandbox,
            pagerduty_eu_url=sandbox,
            failure_min_span="90",
        )
    )
    assert got == replace(Policy(), min_span=timedelta(seconds=45))


def test_the_letter_of_the_rule_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = {
        "failure_ratio": "62.5",
        "failure_window": "3600",
        "failure_min_attempts": "0",
        "failure_min_span": "0",
        "outage_guard": "false",
    }
    assert policy_of(settings(monkeypatch, **letter)) == Policy(
        ratio=Decimal("62.5"),
        window=timedelta(hours=1),
        min_attempts=0,
        min_span=timedelta(),
        outage_guard=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("failure_ratio", "0"),
        ("failure_ratio", "100.1"),
        ("failure_ratio", "nan"),
        ("failure_window", "43230"),
        ("failure_window", "0"),
        ("failure_window", "604860"),
        ("failure_min_attempts", "-1"),
        ("failure_min_span", "-1"),
        ("review_seconds", "0"),
        ("outage_guard", "sometimes"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert f"WALLARM_NOTIFY_{name.upper()}" in refusal(monkeypatch, **{name: value})


@pytest.mark.parametrize(
    "urls",
    [
        pytest.param({}, id="default"),
        pytest.param({"pagerduty_us_url": "http://127.0.0.1:1"}, id="one region left"),
        pytest.param({"pagerduty_eu_url": "http://127.0.0.1:1"}, id="the other left"),
        pytest.param(
            {
                "pagerduty_us_url": "https://EVENTS.PagerDuty.com:443/x",
                "pagerduty_eu_url": "http://127.0.0.1:1",
            },
            id="other case",
        ),
        pytest.param(
            {
                "pagerduty_us_url": "https://events.pagerduty.com./",
                "pagerduty_eu_url": "http://127.0.0.1:1",
            },
            id="a dot at its end",
        ),
    ],
)
def test_shortened_waits_and_pagerduty_itself_do_not_go_together(
    monkeypatch: pytest.MonkeyPatch, urls: dict[str, str]
) -> None:
    text = refusal(monkeypatch, retry_time_scale="0.01", **urls)
    assert "RETRY_TIME_SCALE is 0.01" in text
    assert "PagerDuty itself" in text


def test_shortened_waits_and_a_sandbox_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = "http://127.0.0.1:8088"
    got = settings(
        monkeypatch, retry_time_scale="0.01", pagerduty_us_url=sandbox, pagerduty_eu_url=sandbox
    )
    assert got.retry_time_scale == 0.01


def test_a_region_and_a_cloud_have_hosts_without_a_slash_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = settings(monkeypatch, pagerduty_us_url="http://127.0.0.1:1/sub/")
    assert got.pagerduty_url("us") == "http://127.0.0.1:1/sub"
    assert got.pagerduty_url("eu") == "https://events.eu.pagerduty.com"
    assert got.console_host("us") == "https://us1.my.wallarm.com"
    assert got.console_host("eu") == "https://my.wallarm.com"
    assert got.console_host("me") is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3:8088", "127.1", "[::1]:8088", "localhost", "LOCALHOST:1"]
)
def test_keys_may_be_sent_in_the_open_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    settings(monkeypatch, pagerduty_us_url=f"http://{host}", pagerduty_eu_url=f"http://{host}/x")


@pytest.mark.parametrize("region", ["us", "eu"])
@pytest.mark.parametrize(
    "host",
    [
        "events.pagerduty.com",
        "sandbox:8088",
        "10.0.0.1",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "[::2]",
        "0.0.0.0",
    ],
)
def test_keys_are_not_sent_in_the_open_elsewhere(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    text = refusal(monkeypatch, **{f"pagerduty_{region}_url": f"http://{host}"})
    assert text.startswith(f"{PREFIX}PAGERDUTY_{region.upper()}_URL is not https")
    assert "name its host in WALLARM_NOTIFY_PAGERDUTY_PLAIN_HTTP_HOSTS" in text


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("sandbox", "http://sandbox:8088"),
        (" other , Sandbox,", "http://SANDBOX/x"),
        ("10.0.0.1", "http://10.0.0.1:1"),
        ("[fd00::1]", "http://[fd00::1]:1"),
    ],
)
def test_a_host_that_is_named_may_be_sent_keys_in_the_open(
    monkeypatch: pytest.MonkeyPatch, hosts: str, url: str
) -> None:
    settings(monkeypatch, pagerduty_plain_http_hosts=hosts, pagerduty_us_url=url)
    text = refusal(monkeypatch, pagerduty_plain_http_hosts=hosts, pagerduty_eu_url="http://none")
    assert "PAGERDUTY_EU_URL is not https" in text


@pytest.mark.parametrize("hosts", ["http://sandbox", "sandbox:8088", "me:hunter2@host", "*"])
def test_a_host_in_the_open_is_a_name_alone(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    text = refusal(monkeypatch, pagerduty_plain_http_hosts=f"sandbox,{hosts}")
    assert "names no host in place 2" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@host/name",
        "postgresql+psycopg2://me:secret@host:5433/name",
        "postgresql://me@/name?host=/var/run/postgresql",
        "postgresql:///name?host=/a%20b&port=6543",
        "postgresql://me@/name?host=one:5432&host=two:5433&target_session_attrs=read-write",
        "postgresql://me@/name?host=one,two&target_session_attrs=read-write",
        "postgresql://me@/name?host=::1,::2",
    ],
)
def test_a_database_may_be(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert settings(monkeypatch, database_url=url).database() == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@one:5432,two:5432/name",
        "postgresql://me:hunter2@/name?host=one:5432,two:5432",
        "postgresql://me:hunter2@/name?host=one:5432%2Ctwo&target_session_attrs=read-write",
    ],
)
def test_several_hosts_of_a_database_are_named_one_by_one(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    text = refusal(monkeypatch, database_url=url)
    assert "?host=one:5432&host=two:5432&target_session_attrs=read-write" in text
    assert "hunter2" not in text


def test_with_several_hosts_the_ca_file_is_added(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    url = "postgresql://me@/name?host=one:1&host=two:2&sslmode=verify-full"
    made = make_url(settings(monkeypatch, database_url=url, ca_file=str(authority.file)).database())
    assert made.query["host"] == ("one:1", "two:2")
    assert made.query["sslrootcert"] == str(authority.file)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:6379/0",
        "redis://:secret@host/0",
        "rediss://host",
        "redis+socket:///run/redis.sock",
        "redis+socket://:secret@/run/redis.sock?virtual_host=2",
        "rediss://host/0?ssl_cert_reqs=required",
        "redis://one/0;redis://:secret@two/0",
        "valkey://:secret@host/0",
        "valkeys://host/0",
        "amqp://one//;amqp://two//",
        "amqp://me:secret@host//",
        "amqps://host//",
        "pyamqp://host//",
    ],
)
def test_a_broker_may_be(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert settings(monkeypatch, broker_url=url).broker() == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "hunter2"),
        ("database_url", "mysql://me:hunter2@host/name"),
        ("database_url", "postgresql+asyncpg://me:hunter2@host/name"),
        ("database_url", "postgresql+psycopg://me:hunter2@host/name"),
        ("database_url", "sqlite:///hunter2"),
        ("database_url", "postgresql://me:hunter2/name"),
        ("database_url", "postgresql://me@host:hunter2/name"),
        ("broker_url", "hunter2"),
        ("broker_url", "memory://hunter2"),
        ("broker_url", "http://:hunter2@host"),
        ("broker_url", "redis://:hunter2@[::1/0"),
        ("broker_url", "redis://:hunter2@h\u2100st/0"),
        ("broker_url", "redis://:hunter2/x@host:6379/0"),
        ("broker_url", "redis://host/0?password=hunter2"),
        ("broker_url", "rediss://host/0?ssl_ca_certs=/hunter2"),
        ("broker_url", "rediss://host/0?ssl_certfile=/hunter2"),
        ("broker_url", "redis://one/0;redis://:hunter2/x@two/0"),
        ("database_url", "postgresql://me:hunter2#x@host/name"),
        ("database_url", "postgresql://me:hun@hunter2@host/name"),
        ("database_url", "postgresql://me@host/name?hunter2=1"),
        ("database_url", "postgresql://me:hunter2@host/name\n"),
        ("ca_file", "/hunter2"),
        ("secret_keys", "hunter2"),
        ("secret_keys", "hunter2\u00e9"),
        ("secret_keys", "hunter2" * 8),
        ("pagerduty_us_url", "events.pagerduty.com"),
        ("pagerduty_eu_url", "ftp://events.eu.pagerduty.com"),
        ("pagerduty_eu_url", "https://"),
        ("pagerduty_eu_url", "https://host:port"),
        ("pagerduty_us_url", "https://me:hunter2@host"),
        ("pagerduty_us_url", "https://me:hunter2/x@host"),
        ("pagerduty_us_url", "https://host/?key=hunter2"),
        ("pagerduty_us_url", "https://host/#hunter2"),
        ("console_eu_url", "https://me:hunter2@host"),
        ("console_me_url", "https://me:12/hunter2@host"),
        ("console_us_url", "my.wallarm.com"),
        ("cloud", "asia"),
        ("connect_timeout", "0"),
        ("connect_timeout", "soon"),
        ("request_timeout", "-1"),
        ("request_timeout", "nan"),
        ("rate_limit_per_minute", "-1"),
        ("rate_limit_per_minute", "1.5"),
        ("retry_time_scale", "0"),
        ("retry_time_scale", "1.01"),
        ("lease_seconds", "inf"),
        ("grace_seconds", "0"),
        ("sweep_seconds", "61"),
        ("prune_seconds", "0"),
        ("drill_hours", "-1"),
        ("visibility_timeout", "0.5"),
        ("events_queue_type", "stream"),
        ("retention_days", "0"),
        ("unmatched_retention_days", "0"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence_that_repeats_no_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    text = refusal(monkeypatch, **{name: value})
    assert text.startswith(f"{PREFIX}{name.upper()}: ")
    assert "hunter2" not in text


@pytest.mark.parametrize("value", ["postgresql://me:hunter2/name", "postgresql://h:hunter2"])
def test_a_port_that_is_none_is_called_a_bad_database_url(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    assert "is not a database URL, as postgresql://user@host/name" in refusal(
        monkeypatch, database_url=value
    )


def test_fernet_keys_are_a_list_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [generate(), generate()]
    assert settings(monkeypatch, secret_keys=f"{keys[0]} , {keys[1]}").fernet_keys() == keys


def test_the_wrong_one_of_several_fernet_keys_is_named_by_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = refusal(monkeypatch, secret_keys=f"{generate()},hunter2")
    assert "no Fernet key in place 2" in text
    assert "wallarm-notify secrets generate" in text


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate()
    got = settings(
        monkeypatch,
        database_url="postgresql://me:hunter2@host/name",
        broker_url="redis://:hunter3@host/0",
        secret_keys=key,
    )
    for shown in (repr(got), str(got), f"{got}", got.model_dump_json(), str(got.model_dump())):
        assert not any(secret in shown for secret in ("hunter2", "hunter3", key))
    secrets = (got.database_url, got.broker_url, got.secret_keys)
    assert all(isinstance(value, SecretStr) for value in secrets)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("WALLARM_NOTIFY_DATABSE_URL", "WALLARM_NOTIFY_DATABASE_URL"),
        ("WALLARM_NOTIFY_PACE_PER_MIN", "WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE"),
        ("WALLARM_NOTIFY_LEASE", "WALLARM_NOTIFY_LEASE_SECONDS"),
    ],
)
def test_an_unknown_variable_is_warned_of_with_the_nearest_name(name: str, nearest: str) -> None:
    (warning,) = unknown_variables({name: "hunter2", "PATH": "/bin"})
    assert warning == f"{name} is not a setting and is ignored; did you mean {nearest}?"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_a_known_variable_is_not_warned_of(name: str) -> None:
    assert unknown_variables({PREFIX + name.upper(): "x", "NOTIFY_X": "y"}) == []


def test_the_settings_of_a_process_warn_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PREFIX + "BROKER", "hunter2")
    read_anew = settings_of_this_process.__wrapped__
    assert read_anew().broker_url is None
    text = capsys.readouterr().err
    assert text == (
        "wallarm-notify: WALLARM_NOTIFY_BROKER is not a setting and is ignored; "
        "did you mean WALLARM_NOTIFY_BROKER_URL?\n"
    )


def test_hosts_are_names_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    got = settings(monkeypatch, hosts=" flower.example.com,10.0.0.7 ,::1,[2001:db8::1],a_b")
    assert got.known_hosts == ("flower.example.com", "10.0.0.7", "::1", "[2001:db8::1]", "a_b")


@pytest.mark.parametrize(
    "wrong",
    ["*", "*.example.com", "http://a.example", "a.example:80", "a b", "a/b", "-", "[::1]:80", "ä"],
)
def test_hosts_that_are_none_are_refused_by_their_place(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    assert refusal(monkeypatch, hosts=f"localhost,{wrong}") == (
        "WALLARM_NOTIFY_HOSTS: names no host in place 2; write names or addresses alone, as "
        "flower.example.com,10.0.0.7."
    )


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("RING_SECONDS", "GRACE_SECONDS", "grace_seconds"),
        ("PACE_PER_MINUTE", "RATE_LIMIT_PER_MINUTE", "rate_limit_per_minute"),
    ],
)
def test_a_setting_under_its_old_name_is_taken_with_a_warning(
    old: str,
    new: str,
    field: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"WALLARM_NOTIFY_{old}", "33")
    settings_of_this_process.cache_clear()
    assert getattr(settings_of_this_process(), field) == 33
    assert capsys.readouterr().err == (
        f"wallarm-notify: WALLARM_NOTIFY_{old} is called WALLARM_NOTIFY_{new} since 0.9.0, "
        "and works under its old name until 2.0; rename it.\n"
    )


def test_where_both_names_are_set_the_new_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_RING_SECONDS", "33")
    monkeypatch.setenv("WALLARM_NOTIFY_GRACE_SECONDS", "44")
    settings_of_this_process.cache_clear()
    assert settings_of_this_process().grace_seconds == 44
    assert "the old name is ignored; unset it." in capsys.readouterr().err


def test_what_is_wrong_under_an_old_name_is_named_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_RING_SECONDS", "soon")
    with pytest.raises(SettingsError, match=r"^WALLARM_NOTIFY_RING_SECONDS: "):
        read_settings()


def test_a_login_of_flower_is_a_name_and_a_password_and_is_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = settings(monkeypatch, flower_login="ops:Hidden1:still-the-password")
    assert got.flower_login is not None
    assert got.flower_login.get_secret_value() == "ops:Hidden1:still-the-password"
    assert "Hidden1" not in repr(got)


@pytest.mark.parametrize("login", ["Hidden1", "ops:", ":Hidden1", "ops:Hidden 1", "öps:Hidden1"])
def test_what_is_no_login_of_flower_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    text = refusal(monkeypatch, flower_login=login)
    assert text == (
        "WALLARM_NOTIFY_FLOWER_LOGIN: is no name:password; write a name without a colon, a colon and a password, in "
        "ASCII and without blanks."
    )
