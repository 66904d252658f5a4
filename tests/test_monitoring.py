"""The alert rules and the dashboard ask for metrics that are served, and lead to runbooks that are there."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from documents import ROOT, read
from measured import everything

from wallarm_notify.entrypoints.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES: Final = ROOT / "docker" / "prometheus" / "alerts.yml"
ALERTS: Final[list[dict[str, Any]]] = yaml.safe_load(read(RULES))["groups"][0]["rules"]
DASHBOARD: Final[dict[str, Any]] = json.loads(read(ROOT / "docker" / "grafana" / "dashboard.json"))
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]


def served() -> dict[str, set[str]]:
    """The labels of each metric that is served where there is something of everything."""
    page = exposition(everything)
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
