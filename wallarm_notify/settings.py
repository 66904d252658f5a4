"""Settings: every environment variable, typed, and checked before anything starts."""

import base64
import difflib
import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn
from pydantic import (
    Field,
    HttpUrl,
    Secret,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.health import LARGEST_MINIMUM, LONGEST_WINDOW
from wallarm_notify.domain.retry import ATTEMPTS, SCHEDULE
from wallarm_notify.env_file import EnvFile, EnvFileError, read_env_file
from wallarm_notify.redis_options import RedisSetup
from wallarm_notify.tls import SSL_CERT_FILE, ca_fault, check_files, unchecked_warning
from wallarm_notify.urls import (
    DATABASE,
    WEB,
    Broker,
    bad_parameters,
    database_parameters,
    proxy_faults,
    read_broker,
    read_url,
)

PREFIX: Final = "WALLARM_NOTIFY_"

_FERNET_KEY_BYTES: Final = 32

_WEB_URLS: Final = (
    *("pagerduty_us_url", "pagerduty_eu_url"),
    *("console_us_url", "console_eu_url", "console_me_url"),
    *("public_url", "flower_url"),
)

_CELERYS_OWN: Final = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
"""Variables that Celery would use in place of the settings, unchecked; its option -b sets the first."""

_HOST: Final = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?"
)
"""A host name or an address and nothing more: no port, no scheme."""

_LOGIN: Final = re.compile(r"[!-9;-~]+:[!-~]+")
"""A name and a password of printable ASCII: browsers and Flower do not agree on how others are encoded."""

_LONGEST_WINDOW: Final = int(LONGEST_WINDOW.total_seconds())

RENAMED: Final = {"RING_SECONDS": "GRACE_SECONDS", "PACE_PER_MINUTE": "RATE_LIMIT_PER_MINUTE"}
"""Names of settings before 0.9.0, and their names now: the old ones work until 2.0."""

LEASE_MARGIN: Final = 5.0
"""Seconds that a lease outlives the deadline of a request at least: time to record the outcome."""


_OF_REDIS_SETUP: Final = {
    "master_name": "sentinel_master_name",
    "sentinel_username": "sentinel_username",
    "sentinel_password": "sentinel_password",
    "key_prefix": "broker_key_prefix",
    "wait_replicas": "broker_wait_replicas",
}
"""The fields of ``RedisSetup``, and the settings that they are made of."""


ENV_FILE: Final = f"{PREFIX}ENV_FILE"

NO_ENV_FILE: Final = "none"
"""The name by which no file is read."""


class SettingsError(NotifyError):
    """A setting is missing or wrong; the text names it and says what is permitted."""


class Settings(BaseSettings):
    """The settings, from variables named ``WALLARM_NOTIFY_`` and the field in capitals.

    Times are in seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: SecretStr | None = None
    """PostgreSQL: ``postgresql://`` or ``postgresql+psycopg2://``, also with a socket directory (``?host=/dir``).

    Several servers are named as docs/operations.md#a-standby-of-the-database says.
    """
    broker_url: SecretStr | None = None
    """Redis or Valkey, their Sentinels, or RabbitMQ, as Celery writes it.

    The schemes are ``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``, ``redis+socket://``, ``sentinel://``,
    ``sentinels://``, ``amqp://`` and ``amqps://``. See docs/how-to/another-broker.md.
    """
    sentinel_master_name: str | None = None
    """The name by which the Sentinels in ``BROKER_URL`` know the master."""
    sentinel_username: str | None = None
    """The user name at the Sentinels themselves; that of the master is in ``BROKER_URL``."""
    sentinel_password: SecretStr | None = None
    """The password of that user name."""
    broker_key_prefix: str = ""
    """What stands before each key and channel of a Redis that several installations use.

    Celery calls it ``global_keyprefix``.
    """
    broker_wait_replicas: int = Field(0, ge=0, le=100)
    """How many replicas of a Redis must have an event before its publish succeeds.

    What a fail-over loses without it is in docs/how-to/another-broker.md#sentinel.
    """
    secret_keys: SecretStr | None = None
    """Fernet keys for the integration keys at rest, separated by commas, newest first."""
    ca_file: str | None = None
    """Path of a PEM file: the CAs to trust for PagerDuty, for the broker, and for a database whose CA is checked.

    What is checked where is in docs/how-to/tls.md.
    """

    pagerduty_us_url: HttpUrl = HttpUrl("https://events.pagerduty.com")
    """The base URL of the events host of the region ``us``; https, unless the host is this machine."""
    pagerduty_eu_url: HttpUrl = HttpUrl("https://events.eu.pagerduty.com")
    """The base URL of the events host of the region ``eu``; https, unless the host is this machine."""
    pagerduty_plain_http_hosts: str = ""
    """Hosts, separated by commas, that may get integration keys without TLS: a sandbox. Loopback always may."""
    console_us_url: HttpUrl | None = HttpUrl("https://us1.my.wallarm.com")
    """Where alerts of clients of the cloud ``us`` lead: Wallarm's console; no links if it is unset."""
    console_eu_url: HttpUrl | None = HttpUrl("https://my.wallarm.com")
    """Where alerts of clients of the cloud ``eu`` lead; no links if it is unset."""
    console_me_url: HttpUrl | None = None
    """Where alerts of clients of the cloud ``me`` lead; no links if it is unset."""
    public_url: HttpUrl | None = None
    """Where people reach this installation: alerts lead to the page that says why they came; no link if it is unset."""
    flower_url: HttpUrl | None = None
    """Where operators reach Flower: the console leads there; no link if it is unset."""
    flower_login: SecretStr | None = None
    """The name and password that Flower asks for, as ``name:password``; without, it listens on loopback alone."""
    cloud: Literal["us", "eu", "me"] = "us"
    """The cloud of clients that have none of their own."""
    summary: Literal["original", "brief", "full"] = "brief"
    """What a phone shows of the alerts of new integrations (spec 4)."""

    connect_timeout: float = Field(5.0, gt=0, le=60)
    """Seconds that connecting to PagerDuty may take; at most ``REQUEST_TIMEOUT``."""
    request_timeout: float = Field(15.0, gt=0, le=300)
    """Seconds, by the wall clock, that a whole request to PagerDuty may take, body included."""
    rate_limit_per_minute: int = Field(100, ge=0, le=1_000_000)
    """The rate limit: requests for one key in any sliding 60 s, a fifth for severe ones alone; 0 turns it off."""
    retry_time_scale: float = Field(1.0, gt=0, le=1)
    """Multiplies the waits of the retry cycles and ``FAILURE_MIN_SPAN``, for demos and tests.

    With PagerDuty itself any other value is refused.
    """
    lease_seconds: float = Field(30.0, gt=0, le=3600)
    """How many seconds a worker may have a notification before another takes over; at least ``REQUEST_TIMEOUT`` + 5."""
    grace_seconds: float = Field(15.0, gt=0, le=300)
    """How many seconds an overdue notification may be left before SWEEP enqueues it again."""
    sweep_seconds: float = Field(5.0, gt=0, le=60)
    """Seconds between two runs of SWEEP."""
    failure_ratio: Decimal = Field(Decimal(60), gt=0, le=100)
    """Per cent of failed attempts at which an integration is disabled (docs/failure-ratio.md)."""
    failure_window: int = Field(43_200, ge=60, le=_LONGEST_WINDOW, multiple_of=60)
    """Seconds over which failed attempts are counted: whole minutes."""
    failure_min_attempts: int = Field(ATTEMPTS, ge=0, le=LARGEST_MINIMUM)
    """The least number of attempts in the window; 0 turns the guard off."""
    failure_min_span: float = Field(SCHEDULE.total_seconds(), ge=0, le=_LONGEST_WINDOW)
    """The least seconds between the first and the last failure, and the last attempt failed; 0 turns the guard off.

    ``RETRY_TIME_SCALE`` multiplies it.
    """
    outage_guard: bool = True
    """Whether failures are left out while a region of PagerDuty is down for at least half of its integrations."""
    review_seconds: float = Field(60.0, gt=0, le=3600)
    """Seconds between two reviews of the failure ratios."""
    events_queue_type: Literal["classic", "quorum"] = "classic"
    """The type of the queues of events on RabbitMQ, where they are missing; ``quorum`` for a cluster.

    The other queues are transient then: docs/how-to/another-broker.md#rabbitmq, docs/decisions/0007-brokers.md.
    """
    broker_may_evict: bool = False
    """Whether a Redis that evicts when its memory is full is accepted, and the loss of confirmed events with it.

    There is a warning each hour then.
    """
    visibility_timeout: float = Field(120.0, ge=1, le=86400)
    """Seconds until Redis hands out again what a dead worker held."""
    rejected_per_day: int = Field(10_000, ge=0, le=1_000_000_000)
    """How many rejected events of one client are kept a day, and how many undecodable messages; 0: all of them.

    The ledger counts the others.
    """
    retention_days: float = Field(90.0, gt=0, le=36500)
    """How many days everything is kept after its end; at least ``FAILURE_WINDOW``."""
    unmatched_retention_days: float | None = Field(None, gt=0, le=36500)
    """How many days events are kept that made no notification and that no trigger counted.

    Unset it is 7, or ``RETENTION_DAYS`` for what was installed before there was a difference.
    """
    prune_seconds: float = Field(5.0, gt=0, le=3600)
    """Seconds between two runs of PRUNE, which deletes what is past its retention for a second at most."""
    drill_hours: float = Field(0.0, ge=0, le=8760)
    """Hours between two drills of each enabled integration, which prove its key and page nobody; 0: by command alone.

    Set it for workers and beat, once all workers are of this version.
    """
    log_format: Literal["text", "json"] = "text"
    """How workers, beat and the API write their logs: lines for people, or JSON for programs."""
    heartbeat_url: Secret[HttpUrl] | None = None
    """What beat calls each minute while alerts are attended to, so that somebody outside notices when it does not.

    Beat needs ``DATABASE_URL`` then: docs/operations.md#what-is-wrong.
    """
    liveness_file: str | None = None
    """Path of a file that a worker, or beat, touches every 10 s while it lives, for whoever starts it again.

    See docs/operations.md#containers.
    """
    env_file: str = ".env"
    """Path, from the current folder, of a file with settings that the environment lacks; ``none``: there is none."""
    api_threads: int = Field(8, ge=1, le=200)
    """How many requests of the HTTP API a process works on at once, each with a connection to the database.

    Four times as many may be under way; the next one is answered 503.
    """
    api_token_rate: int = Field(1200, ge=0, le=1_000_000)
    """How many requests a token may make in any sliding 60 s, as each process of the API counts; 0: any number."""
    trusted_proxies: str = ""
    """Addresses, networks and names, separated by commas, of the proxies before the HTTP API.

    Their ``X-Forwarded-For`` is believed.
    """
    identity_header: str = Field("", pattern="^([A-Za-z0-9-]{1,100})?$")
    """The header in which a proxy of ``TRUSTED_PROXIES`` names who is signed in to the console, by e-mail address.

    Of everybody else it is ignored. Each of these proxies has to know the people it names, and to take the header away
    where a client sends it.
    """
    hosts: str = ""
    """Host names, separated by commas, to which Flower and the metrics answer, besides localhost and their own address.

    To others they answer 421.
    """

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            make_dsn(**database_parameters(value.get_secret_value()))
        except ProgrammingError:
            raise bad_parameters() from None
        return value

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_files(read_broker(value.get_secret_value()).tls)
        return value

    @field_validator("ca_file")
    @classmethod
    def _holds_a_certificate(cls, value: str | None) -> str | None:
        if value is not None and (fault := ca_fault(value)):
            raise ValueError(fault)
        return value

    @field_validator(*_WEB_URLS, mode="before")
    @classmethod
    def _is_shown_without_secret(cls, value: Any) -> Any:
        if isinstance(value, str) and (parts := read_url(value, WEB)):
            if "@" in parts.netloc:
                raise ValueError(
                    "has a user name or password in it, which nothing here uses; leave it out"
                )
            if parts.query or "?" in value:
                raise ValueError(
                    "has something behind a ?, where only scheme, host and path belong; leave it out"
                )
        return value

    @field_validator("flower_login")
    @classmethod
    def _is_a_login(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _LOGIN.fullmatch(value.get_secret_value()):
            raise ValueError(
                "is no name:password; write a name without a colon, a colon and a password, in ASCII and without blanks"
            )
        return value

    @field_validator("secret_keys")
    @classmethod
    def _are_fernet_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        for number, key in enumerate(value.get_secret_value().split(","), start=1):
            if not _is_fernet_key(key.strip()):
                raise ValueError(
                    f"has no Fernet key in place {number}; make one with: wallarm-notify secrets generate"
                )
        return value

    @field_validator("pagerduty_plain_http_hosts", "hosts")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        for number, name in enumerate(value.split(","), start=1):
            if name.strip() and not _HOST.fullmatch(name.strip()):
                raise ValueError(
                    f"names no host in place {number}; write names or addresses alone, as "
                    "flower.example.com,10.0.0.7"
                )
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_proxies(cls, value: str) -> str:
        for number, name in enumerate(value.split(","), start=1):
            if name.strip() and not (_HOST.fullmatch(name.strip()) or _is_network(name.strip())):
                raise ValueError(
                    f"names no proxy in place {number}; write addresses, networks or names, as "
                    "10.0.0.7,10.1.0.0/16,proxy"
                )
        return value

    @model_validator(mode="after")
    def _tie(self) -> Self:
        if self.lease_seconds < self.request_timeout + LEASE_MARGIN:
            raise ValueError(
                f"{PREFIX}LEASE_SECONDS ({self.lease_seconds:g}) must be at least "
                f"{PREFIX}REQUEST_TIMEOUT ({self.request_timeout:g}) + {LEASE_MARGIN:g}, or two workers "
                "send the same notification; raise the one or lower the other."
            )
        if self.connect_timeout > self.request_timeout:
            raise ValueError(
                f"{PREFIX}CONNECT_TIMEOUT ({self.connect_timeout:g}) must not be longer than "
                f"{PREFIX}REQUEST_TIMEOUT ({self.request_timeout:g})."
            )
        if self.failure_min_span * self.retry_time_scale > self.failure_window:
            raise ValueError(
                f"{PREFIX}FAILURE_MIN_SPAN ({self.failure_min_span:g} s) must fit into {PREFIX}FAILURE_WINDOW "
                f"({self.failure_window} s), or nothing is ever disabled; 0 turns the guard off."
            )
        if self.retention_days * 86_400 < self.failure_window:
            raise ValueError(
                f"{PREFIX}RETENTION_DAYS ({self.retention_days:g}) must hold {PREFIX}FAILURE_WINDOW "
                f"({self.failure_window} s), or the window loses the attempts it is judged by."
            )
        if (
            self.events_queue_type == "quorum"
            and self.broker_url is not None
            and self.read_broker().is_redis
        ):
            raise ValueError(
                f"{PREFIX}EVENTS_QUEUE_TYPE is quorum, which only RabbitMQ has, and {PREFIX}BROKER_URL "
                "names a Redis; unset the one or name another broker."
            )
        for name, url in (("US", self.pagerduty_us_url), ("EU", self.pagerduty_eu_url)):
            if self.retry_time_scale != 1 and (url.host or "").rstrip(".").endswith(
                "pagerduty.com"
            ):
                raise ValueError(
                    f"{PREFIX}RETRY_TIME_SCALE is {self.retry_time_scale:g} and {PREFIX}PAGERDUTY_{name}_URL is "
                    "PagerDuty itself: shortened waits are for demos and tests. Unset the one or point "
                    "the other at a sandbox."
                )
            if url.scheme != "https" and not self._may_be_plain(url.host or ""):
                raise ValueError(
                    f"{PREFIX}PAGERDUTY_{name}_URL is not https, so integration keys would be sent in the open; write "
                    f"https://, or name its host in {PREFIX}PAGERDUTY_PLAIN_HTTP_HOSTS where that is meant."
                )
        return self

    @model_validator(mode="after")
    def _tie_to_broker(self) -> Self:
        if self.broker_url is not None and (misfit := self.redis_setup.misfit(self.read_broker())):
            field, why = misfit
            raise ValueError(f"{PREFIX}{_OF_REDIS_SETUP[field].upper()} {why}.")
        return self

    def _may_be_plain(self, host: str) -> bool:
        if host == "localhost" or host in _hosts(self.pagerduty_plain_http_hosts):
            return True
        try:
            return ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False

    def database(self) -> str:
        """Return the database's URL, with the CA file. Raise SettingsError if it is not set."""
        url = _needed(self.database_url, "DATABASE_URL", DATABASE.example)
        return _with_root(url, self.trusted(), os.environ)

    def broker(self) -> str:
        """Return the broker's URL as it is set. Raise SettingsError if it is not."""
        return _needed(self.broker_url, "BROKER_URL", "redis://host:6379/0")

    def read_broker(self) -> Broker:
        """Return the parts of the broker's URL. Raise SettingsError if it is not set."""
        return read_broker(self.broker())

    @property
    def redis_setup(self) -> RedisSetup:
        """How the broker is set up if it is a Redis."""
        given = {field: getattr(self, name) for field, name in _OF_REDIS_SETUP.items()}
        if self.sentinel_password is not None:
            given["sentinel_password"] = self.sentinel_password.get_secret_value()
        return RedisSetup(**given)

    def trusted(self) -> str | None:
        """Return the path of the CAs to trust, this setting's or OpenSSL's; None: those that the machine trusts."""
        return self.ca_file or os.environ.get(SSL_CERT_FILE) or None

    def fernet_keys(self) -> list[str]:
        """Return the Fernet keys, newest first. Raise SettingsError if none is set."""
        text = _needed(
            self.secret_keys, "SECRET_KEYS", "a key made by «wallarm-notify secrets generate»"
        )
        return [key.strip() for key in text.split(",")]

    def pagerduty_url(self, region: str) -> str:
        """Return the base URL of a region's events host, without a slash at its end."""
        url = self.pagerduty_eu_url if region == "eu" else self.pagerduty_us_url
        return str(url).rstrip("/")

    def console_host(self, cloud: str) -> str | None:
        """Return the base URL of a cloud's console, or None for alerts without links."""
        url = {"us": self.console_us_url, "eu": self.console_eu_url}.get(cloud, self.console_me_url)
        return None if url is None else str(url).rstrip("/")

    @property
    def public_base(self) -> str | None:
        """The URL at which people reach this installation, without a slash at its end; None: it has none."""
        return None if self.public_url is None else str(self.public_url).rstrip("/")

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """The names in ``hosts``."""
        return tuple(name.strip() for name in self.hosts.split(",") if name.strip())

    @property
    def proxies(self) -> tuple[str, ...]:
        """The names in ``trusted_proxies``."""
        return tuple(name.strip() for name in self.trusted_proxies.split(",") if name.strip())

    @property
    def lease(self) -> timedelta:
        """How long a claim's lease is."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def grace(self) -> timedelta:
        """How long SWEEP leaves an overdue notification."""
        return timedelta(seconds=self.grace_seconds)


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _hosts(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _needed(value: SecretStr | None, name: str, example: str) -> str:
    if value is None or not value.get_secret_value().strip():
        raise SettingsError(f"{PREFIX}{name} is not set; set it to {example}.")
    return value.get_secret_value()


def _with_root(url: str, ca_file: str | None, environ: Mapping[str, str]) -> str:
    """Return ``url`` with the CA file if libpq checks certificates and nothing else names a CA.

    Only then: with a CA file libpq checks the certificate under ``sslmode=require`` too.
    """
    named = database_parameters(url)
    mode = named.get("sslmode") or environ.get("PGSSLMODE", "")
    is_named = "sslrootcert" in named or environ.get("PGSSLROOTCERT")
    if ca_file is None or is_named or mode not in ("verify-ca", "verify-full"):
        return url
    return f"{url}{'&' if '?' in url else '?'}sslrootcert={quote(ca_file)}"


def _is_fernet_key(text: str) -> bool:
    """Return whether this is a Fernet key: 32 bytes in base64, in the form for URLs.

    The library would be loaded for it by every command.
    """
    try:
        return len(base64.urlsafe_b64decode(text)) == _FERNET_KEY_BYTES
    except ValueError:
        return False


def _check_environment(environ: Mapping[str, str]) -> None:
    """Raise SettingsError for variables that are no settings but would change what is started."""
    for name, fault in proxy_faults(environ).items():
        raise SettingsError(f"{name}: {fault}.")
    if (path := environ.get(SSL_CERT_FILE)) and (fault := ca_fault(path) or ""):
        raise SettingsError(f"{SSL_CERT_FILE}: {fault}.")
    for name in _CELERYS_OWN:
        if environ.get(name):
            raise SettingsError(
                f"{name}: Celery would take it (or its option -b) in place of {PREFIX}BROKER_URL; unset it."
            )


def _under_old_names(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are set under old names alone, by their fields."""
    return {
        new.lower(): environ[PREFIX + old]
        for old, new in RENAMED.items()
        if environ.get(PREFIX + old) and not environ.get(PREFIX + new)
    }


def renamed_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable that has another name now."""
    return [
        f"{PREFIX}{old} is called {PREFIX}{new} since 0.9.0, "
        + (
            "which is set too: the old name is ignored; unset it."
            if environ.get(PREFIX + new)
            else "and works under its old name until 2.0; rename it."
        )
        for old, new in RENAMED.items()
        if environ.get(PREFIX + old)
    ]


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable with the prefix that is no setting, with the nearest known name."""
    known = [name.upper() for name in Settings.model_fields]
    warnings = []
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in known and name not in RENAMED:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            warnings.append(
                f"{variable} is not a setting and is ignored; did you mean {PREFIX}{near}?"
            )
    return warnings


def _sentence(error: ValidationError, given: Mapping[str, str], file: EnvFile) -> str:
    """Return the first error in words, with the variable's name and whether it stands in the file."""
    if not (loc := _first(error)["loc"]):
        return words_of(error)
    text, field = words_of(error), str(loc[0])
    old = next((old for old, new in RENAMED.items() if new.lower() == field), None)
    is_old = old is not None and field in _under_old_names(given)
    name = PREFIX + (str(old) if is_old else field.upper())
    place = f" (in {env_file_path()})" if name in file.values and name not in os.environ else ""
    return f"{name}{place}: {text[0].lower()}{text[1:]}."


def words_of(error: ValidationError) -> str:
    """Return what the first error says, without any value."""
    return str(_first(error)["msg"].removeprefix("Value error, "))


def _first(error: ValidationError) -> ErrorDetails:
    return error.errors(include_url=False, include_input=False)[0]


def env_file_path() -> str:
    """Return the path of the file of settings; ``NO_ENV_FILE``: there is none."""
    return os.environ.get(ENV_FILE) or str(Settings.model_fields["env_file"].default)


def _env_file() -> EnvFile:
    """Return what stands in the file of settings. Raise SettingsError."""
    path = env_file_path()
    try:
        return EnvFile() if path == NO_ENV_FILE else read_env_file(Path(path), PREFIX)
    except EnvFileError as error:
        raise SettingsError(str(error)) from None


def _with_file(environ: Mapping[str, str], file: EnvFile) -> dict[str, str]:
    """Return the environment, and what of ``file`` it does not have: under no name, nor as an empty text."""
    named = {*environ, *(PREFIX + new for old, new in RENAMED.items() if PREFIX + old in environ)}
    return {**{k: v for k, v in file.values.items() if k not in named}, **environ}


def variables() -> dict[str, str]:
    """Return what is set, by its variables: in the environment, else in the file of settings. Raise SettingsError."""
    given = _with_file(os.environ, _env_file())
    return {name: value for name, value in given.items() if name.startswith(PREFIX)}


def read_settings() -> Settings:
    """Return the settings of this process. Raise SettingsError with the name of the wrong one."""
    return _read(_env_file())


def _read(file: EnvFile) -> Settings:
    _check_environment(os.environ)
    given = _with_file(os.environ, file)
    fields = {
        name: given[PREFIX + name.upper()]
        for name in Settings.model_fields
        if given.get(PREFIX + name.upper()) and PREFIX + name.upper() not in os.environ
    }
    try:
        return Settings(**_under_old_names(given), **fields)  # type: ignore[arg-type]  # read as the environment is
    except ValidationError as error:
        raise SettingsError(_sentence(error, given, file)) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings, read once; print warnings of unknown variables, and of TLS that checks nothing."""
    file = _env_file()
    given = _with_file(os.environ, file)
    warnings = [*file.warnings, *unknown_variables(given), *renamed_variables(given)]
    try:
        read = _read(file)
        if read.broker_url is not None:
            unchecked = unchecked_warning(f"{PREFIX}BROKER_URL", read.read_broker().tls)
            warnings += [] if unchecked is None else [unchecked]
    finally:
        for warning in warnings:
            print(f"wallarm-notify: {warning}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
    return read
