"""The alert rules and the dashboard ask for metrics that are served, and lead to runbooks that are there."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from documents import DOCS, ROOT, read

from wallarm_notify.domain.lateness import lateness_in
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.traffic import traffic_in
from wallarm_notify.entrypoints.metrics import exposition
from wallarm_notify.services.measure import Measurements

if TYPE_CHECKING:
    from collections.abc import Iterator

from datetime import UTC, datetime, timedelta

from wallarm_notify.domain.readiness import QueueLength

RULES: Final = ROOT / "docker" / "prometheus" / "alerts.yml"
ALERTS: Final[list[dict[str, Any]]] = yaml.safe_load(read(RULES))["groups"][0]["rules"]
DASHBOARD: Final[dict[str, Any]] = json.loads(read(ROOT / "docker" / "grafana" / "dashboard.json"))
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)


def served() -> dict[str, set[str]]:
    """The labels of each metric that is served where there is something of everything."""
    minute = timedelta(minutes=1)
    page = exposition(
        lambda: Measurements(
            warnings={30: 1},
            auto_disabled=1,
            fired=1,
            enabled=1,
            disabled=1,
            outage=False,
            prune_lag=minute,
            lateness=lateness_in({}),
            queues=[QueueLength("events", 1, NOW, NOW)],
            traffic=traffic_in({"rejected_from:task": 1}),
            not_kept=1,
            made=1,
            states=dict.fromkeys(State, 1),
            consumers={"events": 1},
            nodes={"first@host": minute},
            runs={"sweep": minute},
            overdue=minute,
            slow=1,
            quiet=1,
            failing={1: 0.7},
            rate_limited={1: minute},
            set_aside=1,
            undecodable=1,
            oldest_proof=minute,
        )
    )
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? [\d.e+-]+$", page, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def asked() -> Iterator[str]:
    yield from (one["expr"] for one in ALERTS)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])


def test_every_metric_that_is_asked_for_is_served() -> None:
    names = {name for one in asked() for name in re.findall(r"\bwallarm_notify_\w+", one)}
    assert len(names) > 12
    assert names <= {*served()}


@pytest.mark.parametrize("alert", ALERTS, ids=[one["alert"] for one in ALERTS])
def test_each_alert_has_a_severity_a_sentence_and_a_runbook_that_is_there(
    alert: dict[str, Any],
) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", read(ROOT / page), re.MULTILINE)
    assert page == "docs/runbooks.md"
    assert anchor in {one.lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("alert", ALERTS, ids=[one["alert"] for one in ALERTS])
def test_a_label_that_an_alert_shows_is_one_of_its_metric(alert: dict[str, Any]) -> None:
    shown = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
    names = re.findall(r"\bwallarm_notify_\w+", alert["expr"])
    assert shown <= set().union(*(served()[name] for name in names))


def test_every_metric_that_is_served_is_described_in_the_operations_page() -> None:
    text = read(DOCS / "operations.md")
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in served()}
    missing = {one for one in families if f"`{one.removeprefix('wallarm_notify_')}`" not in text}
    assert not missing


def test_no_two_panels_of_the_dashboard_have_one_place() -> None:
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in PANELS]
    assert len({*places}) == len(places) == len({one["id"] for one in PANELS})


@pytest.mark.servers
def test_prometheus_own_tool_accepts_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout
