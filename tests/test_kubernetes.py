"""The manifests of docker/kubernetes: valid, confined, with time to stop, each with the secrets it needs alone."""

from __future__ import annotations

from typing import Any, Final

import kubernetes_validate
import pytest
from documents import ROOT
from e2e.containers import documents_of
from test_docker import LIVENESS, SECRET_SETTINGS, SETTINGS, WARM_STOP_SECONDS
from test_wheel import PROJECT

from wallarm_notify.entrypoints.api.server import ENDS_WITHIN
from wallarm_notify.settings import Settings
from wallarm_notify.task_names import QUEUES

FILES: Final = sorted(path.name for path in (ROOT / "docker" / "kubernetes").iterdir())
MADE: Final = documents_of(*FILES)
NAMED: Final = {(one["kind"], one["metadata"]["name"]): one for one in MADE}
PODS: Final = {
    one["metadata"]["name"]: one["spec"]["template"]
    for one in MADE
    if one["kind"] in ("Deployment", "Job")
}
DEPLOYED: Final = [name for kind, name in NAMED if kind == "Deployment"]


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = PODS[name]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_each_manifest_is_valid_and_has_no_field_that_kubernetes_would_ignore(version: str) -> None:
    assert len(NAMED) == len(MADE) > 10
    for one in MADE:
        kubernetes_validate.validate(one, version, strict=True)


def test_what_could_overwrite_filled_in_secrets_is_not_applied_with_the_folder() -> None:
    applied = documents_of(*(name for name in FILES if name.endswith((".yaml", ".yml", ".json"))))
    assert "Secret" not in {one["kind"] for one in applied}
    assert "docker/kubernetes/secret.yaml" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", PODS)
def test_each_pod_is_confined(name: str) -> None:
    made = pod(name)
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    user, group = made["securityContext"]["runAsUser"], made["securityContext"]["runAsGroup"]
    assert f"USER {user}:{group}" in dockerfile
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert made["automountServiceAccountToken"] is False
    # A service's variables would be taken for settings.
    assert made["enableServiceLinks"] is False
    (volume,) = made["volumes"]
    assert container(name)["volumeMounts"] == [{"name": volume["name"], "mountPath": "/tmp"}]
    assert volume["emptyDir"]["medium"] == "Memory"
    assert container(name)["resources"].keys() == {"requests", "limits"}
    assert container(name)["image"] == f"wallarm-notify:{PROJECT['project']['version']}"


@pytest.mark.parametrize("name", PODS)
def test_each_pod_has_the_secrets_it_needs_and_no_other(name: str) -> None:
    keys = {
        one["name"].removeprefix("WALLARM_NOTIFY_"): one["valueFrom"]["secretKeyRef"]["key"]
        for one in container(name)["env"]
    }
    rows = {"DATABASE_URL": "database-url", "SECRET_KEYS": "secret-keys"}
    worker = {**rows, "BROKER_URL": "worker-broker-url"}
    beat = {"HEARTBEAT_URL": "heartbeat-url", "DATABASE_URL": "heartbeat-database-url"}
    assert (
        keys
        == {
            "wallarm-notify-first": worker,
            "wallarm-notify-retries": worker,
            "wallarm-notify-beat": {"BROKER_URL": "worker-broker-url", **beat},
            "wallarm-notify-api": {**rows, "BROKER_URL": "api-broker-url"},
            "wallarm-notify-migrate": {"DATABASE_URL": "owner-database-url"},
        }[name]
    )


def test_settings_are_settings_and_none_is_a_secret() -> None:
    data = NAMED["ConfigMap", "wallarm-notify"]["data"]
    assert data.keys() <= SETTINGS
    assert not data.keys() & SECRET_SETTINGS
    for name in ("first", "retries", "beat"):
        for probe in ("startupProbe", "livenessProbe"):
            command = container(f"wallarm-notify-{name}")[probe]["exec"]["command"]
            assert command[-1] == f"find {data[LIVENESS]} -mmin -2 | grep -q ."


def test_workers_consume_every_queue_and_have_a_number_of_processes_that_no_host_changes() -> None:
    commands = [container(name)["command"] for name in DEPLOYED]
    workers = [command for command in commands if "worker" in command]
    queues = [command[command.index("-Q") + 1] for command in workers]
    assert sorted(",".join(queues).split(",")) == sorted(QUEUES)
    assert all(command[command.index("-c") + 1] == "2" for command in workers)


@pytest.mark.parametrize("name", DEPLOYED)
def test_what_is_selected_is_there(name: str) -> None:
    one = NAMED["Deployment", name]
    labels = PODS[name]["metadata"]["labels"]
    assert one["spec"]["selector"]["matchLabels"] == labels == one["metadata"]["labels"]
    for constraint in pod(name).get("topologySpreadConstraints", []):
        assert constraint["labelSelector"]["matchLabels"] == labels
    if name == "wallarm-notify-beat":  # one at a time
        assert one["spec"]["strategy"] == {"type": "Recreate"}
        assert one["spec"]["replicas"] == 1
    else:
        budget = NAMED["PodDisruptionBudget", name]["spec"]
        assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
        assert one["spec"]["replicas"] > 1


def test_the_service_leads_to_the_api() -> None:
    spec = NAMED["Service", "wallarm-notify-api"]["spec"]
    assert spec["selector"] == PODS["wallarm-notify-api"]["metadata"]["labels"]
    (port,) = container("wallarm-notify-api")["ports"]
    assert spec["ports"][0]["targetPort"] == port["name"]
    assert str(port["containerPort"]) in container("wallarm-notify-api")["command"]


def test_each_pod_has_the_time_that_a_stop_in_peace_takes() -> None:
    for name in ("first", "retries"):
        has = pod(f"wallarm-notify-{name}")["terminationGracePeriodSeconds"]
        assert has > Settings().request_timeout + WARM_STOP_SECONDS
    api = container("wallarm-notify-api")
    waits = int(api["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod("wallarm-notify-api")["terminationGracePeriodSeconds"] > ENDS_WITHIN + waits
