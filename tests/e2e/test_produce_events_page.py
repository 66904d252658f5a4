"""Each way of docs/how-to/produce-events.md to send events, exactly as the page has it, ends in an alert."""

from __future__ import annotations

import json
import shlex
import subprocess
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import amqp
import pytest
from build import a_key
from documents import ROOT, block, code, read, table

from e2e.api_process import Api
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.event_types import RuleCreated
from wallarm_notify.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System

PAGE: Final = "docs/how-to/produce-events.md"
DOCUMENT: Final = ROOT / PAGE
BODY: Final = block(PAGE, "[[], {").strip()
SUBSCRIBED: Final = ("rules_and_triggers", "security_issue")


def on_redis(system: System) -> None:
    """Do what redis-cli does with the line of the page."""
    line = block(PAGE, "redis-cli -u")
    program, _, _, *words = shlex.split(line)
    assert program == "redis-cli"
    assert b64decode(json.loads(words[-1])["body"]).decode() == BODY
    with system.ask_broker() as broker:
        assert broker.execute_command(*words) == 1


def over_http(system: System) -> None:
    api = Api(system)
    lines = block(PAGE, "api=http://")
    for there, here in (
        ("http://127.0.0.1:8000", api.url),
        ("TOKEN", api.token_of("producer")),
    ):
        assert lines.count(there) == 1
        lines = lines.replace(there, here)
    done = subprocess.run(
        ["bash", "-c", lines], capture_output=True, text=True, timeout=60, check=True
    )
    assert len(json.loads(done.stdout)["ids"]) == 1


def from_python(system: System) -> None:
    lines = block("README.md", "from wallarm_notify.producer import")
    exec(lines.replace("redis://broker.example:6379/0", system.broker_url), {})
    with Producer(system.broker_url) as producer:
        exec(block(PAGE, "from wallarm_notify.event_types import"), {"producer": producer})


def test_on_redis_every_way_ends_in_an_alert(make_system: Callable[..., System]) -> None:
    system = make_system()
    system.integration(a_key(), subscribe=SUBSCRIBED)
    on_redis(system)
    from_python(system)
    over_http(system)
    system.start_worker()
    system.wait_for_states(60, delivered=4)
    assert system.ledger().findings == []


def published_to(url: str) -> None:
    """Publish what the table of the page says, by AMQP alone."""
    values = {what.replace("`", ""): code(value) for what, value in table(read(DOCUMENT), "what")}
    assert values.pop("exchange") == values.pop("body") == []
    (key,) = values.pop("routing key")
    headers = {
        name.removeprefix("header "): values.pop(name)[0]
        for name in list(values)
        if name.startswith("header ")
    }
    properties: dict[str, Any] = {
        name.replace(" ", "_"): value for name, (value,) in values.items()
    }
    properties["delivery_mode"] = int(properties["delivery_mode"])
    where = urlsplit(url)
    with amqp.Connection(f"{where.hostname}:{where.port}", confirm_publish=True) as connection:
        channel = connection.channel()
        channel.queue_declare(key, durable=True, auto_delete=False)
        message = amqp.Message(BODY, application_headers=headers, **properties)
        channel.basic_publish(message, exchange="", routing_key=key)


@pytest.mark.servers
def test_on_rabbitmq_the_message_ends_in_an_alert(make_system: Callable[..., System]) -> None:
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url)
        system.integration(a_key(), subscribe=SUBSCRIBED)
        published_to(server.url)
        system.start_worker()
        system.wait_for_states(60, delivered=1)
        assert system.ledger().findings == []


def test_in_the_tests_of_a_producer_its_event_is_seen_as_the_page_has_it() -> None:
    names: dict[str, Any] = {
        "create_rule": lambda name, producer: producer.emit(
            RuleCreated(client_id=1, rule_id=7, name=name)
        )
    }
    exec(block(PAGE, "from wallarm_notify.testing import"), names)
    names["test_a_new_rule_is_announced"]()
