"""The Kubernetes manifests: valid to the letter, safe by policy, and true to the code."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from connectors.catalog import CATALOG
from connectors.privacy import KEY_VARIABLE
from models.watchlist import load_watchlist
from pipeline.cli import _parser
from pipeline.settings import Settings, variable
from pipeline.topics import expected_topics
from tests.deploy.manifests import (
    KUBERNETES_VERSION,
    OVERLAYS,
    Manifest,
    custom_schema,
    is_custom,
    pod_of,
    render,
    title,
)
from tests.deploy.monitoring import ROOT, RUNBOOKS

ROLES = {"score", "watch", "console", "exporter", "connect"}
CONSOLE = "czujka-console"
STRIMZI_OVERLAYS = ("staging", "prod")

overlays = pytest.mark.parametrize("overlay", OVERLAYS)
with_strimzi = pytest.mark.parametrize("overlay", STRIMZI_OVERLAYS)


def workloads(overlay: str) -> Iterator[tuple[Manifest, Manifest]]:
    """Each workload of an overlay with its pod."""
    for manifest in render(overlay):
        if (pod := pod_of(manifest)) is not None:
            yield manifest, pod


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    return [manifest for manifest in render(overlay) if manifest["kind"] == kind]


def settings_of(overlay: str) -> dict[str, str]:
    """The variables that all pods of an overlay get."""
    (found,) = (
        manifest["data"]
        for manifest in of_kind(overlay, "ConfigMap")
        if manifest["metadata"]["name"].startswith("czujka-settings")
    )
    return dict(found)


def resolved(overlay: str) -> Settings:
    """The settings of an overlay's pods, with credentials as a pod would have them."""
    given = {
        name.removeprefix("CZUJKA_").lower(): value
        for name, value in settings_of(overlay).items()
        if name.startswith("CZUJKA_")
    }
    if overlay in STRIMZI_OVERLAYS:
        given |= {"sasl_username": "czujka-score", "sasl_password": "from-the-secret"}
    return Settings(**given)  # type: ignore[arg-type]


def connector_variables() -> set[str]:
    """What the platforms' connectors are told by."""
    names = {KEY_VARIABLE}
    for entry in CATALOG:
        if entry.module is not None:
            settings = entry.load().SETTINGS
            prefix = settings.model_config.get("env_prefix", "")
            names |= {f"{prefix}{field}".upper() for field in settings.model_fields}
    return names


def selects(selector: Manifest, labels: Manifest) -> bool:
    wanted = selector.get("matchLabels", {})
    assert not selector.get("matchExpressions")
    return all(labels.get(name) == value for name, value in wanted.items())


@overlays
def test_every_object_is_valid_to_the_last_field(overlay: str) -> None:
    for manifest in render(overlay):
        if is_custom(manifest):
            schema = custom_schema(manifest["apiVersion"], manifest["kind"])
            jsonschema.Draft202012Validator(schema).validate(manifest)
        else:
            kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


def test_a_misspelt_field_is_refused_in_every_kind_that_is_rendered() -> None:
    """Otherwise the test above could not fail."""
    kinds = {manifest["kind"]: manifest for manifest in render("prod")}
    for kind, manifest in kinds.items():
        if "spec" not in manifest or kind in ("Namespace",):
            continue
        wrong = manifest | {"spec": manifest["spec"] | {"misspelt": 1}}
        with pytest.raises(Exception, match="misspelt"):
            if is_custom(wrong):
                schema = custom_schema(wrong["apiVersion"], kind)
                jsonschema.Draft202012Validator(schema).validate(wrong)
            else:
                kubernetes_validate.validate(wrong, KUBERNETES_VERSION, strict=True)


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(LookupError, match="no schema for"):
        custom_schema("example.com/v1", "Thing")


@overlays
def test_all_roles_are_there_each_with_the_shape_it_needs(overlay: str) -> None:
    kinds = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: manifest["kind"]
        for manifest, pod in workloads(overlay)
    }
    assert kinds.pop("topics", None) == (None if overlay in STRIMZI_OVERLAYS else "Job")
    assert kinds == dict.fromkeys(ROLES, "Deployment") | {"watch": "StatefulSet"}
    (watch,) = of_kind(overlay, "StatefulSet")
    assert [claim["metadata"]["name"] for claim in watch["spec"]["volumeClaimTemplates"]] == [
        "state"
    ]


@overlays
def test_no_pod_has_rights_that_it_does_not_need(overlay: str) -> None:
    for manifest, pod in workloads(overlay):
        spec, where = pod["spec"], title(manifest)
        assert spec["automountServiceAccountToken"] is False, where
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), where
        assert not any("hostPath" in volume for volume in spec["volumes"]), where
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] >= 10_000, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        for container in spec["containers"] + spec.get("initContainers", []):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, where
            assert own["readOnlyRootFilesystem"] is True, where
            assert own["capabilities"] == {"drop": ["ALL"]}, where
            assert "privileged" not in own and "runAsUser" not in own, where


@overlays
def test_every_container_has_requests_and_limits_and_a_pinned_image(overlay: str) -> None:
    for manifest, pod in workloads(overlay):
        for container in pod["spec"]["containers"]:
            resources = container["resources"]
            for bound in ("requests", "limits"):
                assert resources[bound].keys() == {"cpu", "memory"}, title(manifest)
            _, _, tag = container["image"].rpartition(":")
            assert re.fullmatch(r"\d+\.\d+\.\d+|sha256@[0-9a-f]{64}", tag), container["image"]


@overlays
def test_no_secret_is_written_out(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []
    for _, pod in workloads(overlay):
        for container in pod["spec"]["containers"]:
            for entry in container.get("env", []):
                if re.search("PASSWORD|TOKEN|SECRET|KEY", entry["name"]):
                    assert "secretKeyRef" in entry["valueFrom"]
    assert not re.search("PASSWORD|TOKEN|SECRET", " ".join(settings_of(overlay)))


@overlays
def test_probes_tell_starting_from_ready_from_dead(overlay: str) -> None:
    for manifest, pod in workloads(overlay):
        if manifest["kind"] == "Job":
            continue
        (container,) = pod["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert "metrics" in ports
        start, live = container["startupProbe"], container["livenessProbe"]
        assert {start["httpGet"]["port"], live["httpGet"]["port"]} <= ports
        if container["name"] == "connect":
            continue  # it has a metrics page alone, and nobody waits for it to be ready
        assert start["httpGet"]["path"] == container["readinessProbe"]["httpGet"]["path"]
        assert (start["httpGet"]["path"], live["httpGet"]["path"]) == ("/readyz", "/healthz")
    (watch,) = of_kind(overlay, "StatefulSet")
    startup = watch["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600  # a long recovery


@overlays
def test_what_may_run_twice_survives_a_drained_node_and_what_may_not_never_does(
    overlay: str,
) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    for manifest, pod in workloads(overlay):
        labels = pod["metadata"]["labels"]
        component = labels["app.kubernetes.io/component"]
        covering = [b for b in budgets if selects(b["spec"]["selector"], labels)]
        if component == "connect":
            assert manifest["spec"]["strategy"] == {"type": "Recreate"}
            assert manifest["spec"]["replicas"] == 1
        elif component != "topics":
            assert len(covering) == 1, title(manifest)
            keys = {c["topologyKey"] for c in pod["spec"]["topologySpreadConstraints"]}
            assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


@overlays
def test_the_network_is_closed_but_for_what_is_named(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    (closed,) = (p for p in policies if p["metadata"]["name"] == "czujka-default-deny")
    assert closed["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & closed["spec"].keys()
    pods = [pod["metadata"]["labels"] for _, pod in workloads(overlay)]
    assert all(selects(closed["spec"]["podSelector"], labels) for labels in pods)
    for policy in policies:
        name = policy["metadata"]["name"]
        assert any(selects(policy["spec"]["podSelector"], labels) for labels in pods), name
        if any("ipBlock" in to for e in policy["spec"].get("egress", []) for to in e["to"]):
            assert name == "czujka-platforms"
            components = {
                labels["app.kubernetes.io/component"]
                for labels in pods
                if selects(policy["spec"]["podSelector"], labels)
            }
            assert components == {"connect"}


@overlays
def test_services_and_references_lead_to_what_exists(overlay: str) -> None:
    pods = [pod for _, pod in workloads(overlay)]
    for service in of_kind(overlay, "Service"):
        wanted = {"matchLabels": service["spec"]["selector"]}
        (pod,) = (pod for pod in pods if selects(wanted, pod["metadata"]["labels"]))
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    maps = {manifest["metadata"]["name"] for manifest in of_kind(overlay, "ConfigMap")}
    claims = {m["metadata"]["name"] for m in of_kind(overlay, "PersistentVolumeClaim")}
    for manifest, pod in workloads(overlay):
        for volume in pod["spec"]["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps, title(manifest)
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, title(manifest)


@overlays
def test_every_command_line_is_understood(overlay: str) -> None:
    for _, pod in workloads(overlay):
        for container in pod["spec"]["containers"]:
            _parser(container["args"]).parse_args(container["args"])


@overlays
def test_every_variable_is_a_setting_and_its_value_fits(overlay: str) -> None:
    known = {variable(field) for field in Settings.model_fields} | connector_variables()
    known |= {"NUMBA_CACHE_DIR"}
    given = set(settings_of(overlay))
    for _, pod in workloads(overlay):
        for container in pod["spec"]["containers"]:
            given |= {entry["name"] for entry in container.get("env", [])}
    assert given <= known
    assert resolved(overlay).host == "0.0.0.0"


@overlays
def test_pods_find_their_watchlist_and_state_where_the_settings_say(overlay: str) -> None:
    settings = resolved(overlay)
    load_watchlist(ROOT / "deploy/base/watchlist.yaml")
    for _, pod in workloads(overlay):
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        if container["name"] in ("score", "watch"):
            assert str(settings.watchlist.parent) in mounts
        assert str(settings.state_dir) in mounts
        ports = {port["containerPort"] for port in container.get("ports", [])}
        assert not ports or settings.metrics_port in ports


@overlays
def test_a_role_ends_by_itself_before_it_is_killed(overlay: str) -> None:
    limit_s = resolved(overlay).stop_timeout_s
    for _, pod in workloads(overlay):
        assert pod["spec"]["terminationGracePeriodSeconds"] > limit_s
    compose_kills_after_s = 10
    assert Settings().stop_timeout_s < compose_kills_after_s


def test_people_can_answer_in_production_and_reports_are_kept() -> None:
    (pod,) = (pod for manifest, pod in workloads("prod") if manifest["metadata"]["name"] == CONSOLE)
    (container,) = pod["spec"]["containers"]
    given = {entry["name"]: entry for entry in container["env"]}
    assert given["CZUJKA_CONSOLE_TOKEN"].keys() == {"name", "valueFrom"}
    assert given["CZUJKA_CONSOLE_USER_HEADER"]["value"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volume = mounts[given["CZUJKA_REPORTS_DIR"]["value"]]
    (claim,) = (
        kept["persistentVolumeClaim"]["claimName"]
        for kept in pod["spec"]["volumes"]
        if kept["name"] == volume
    )
    assert claim in {m["metadata"]["name"] for m in of_kind("prod", "PersistentVolumeClaim")}


@with_strimzi
def test_the_operators_topics_are_those_of_the_code(overlay: str) -> None:
    settings = resolved(overlay)
    wanted = {
        topic.name: (
            topic.partitions,
            settings.replication_factor,
            topic.all_configs(settings.replication_factor),
        )
        for topic in expected_topics(settings)
    }
    found = {
        manifest["metadata"]["name"]: (
            manifest["spec"]["partitions"],
            manifest["spec"]["replicas"],
            {name: str(value) for name, value in manifest["spec"]["config"].items()},
        )
        for manifest in of_kind(overlay, "KafkaTopic")
    }
    assert found == wanted


@with_strimzi
def test_each_user_may_do_what_the_topics_say_and_no_more(overlay: str) -> None:
    settings = resolved(overlay)
    topics = {topic.name: topic for topic in expected_topics(settings)}
    writers = {"connectors": "connect", "command line": "", "all": "connect, score, watch"}

    def roles(text: str) -> set[str]:
        for words, names in writers.items():
            text = text.replace(words, names)
        return {word for part in text.split(",") if (word := part.strip().split(" ")[0] or "")}

    users = {u["metadata"]["name"]: u["spec"] for u in of_kind(overlay, "KafkaUser")}
    assert users.keys() == {f"czujka-{role}" for role in ROLES}
    for role in ROLES:
        may: dict[str, set[str]] = {}
        for rule in users[f"czujka-{role}"]["authorization"]["acls"]:
            resource = rule["resource"]
            assert resource["patternType"] == "literal"
            if resource["type"] == "group":
                assert resource["name"] == settings.group(role)
            else:
                may[resource["name"]] = set(rule["operations"])
        for name, topic in topics.items():
            operations = may.get(name, set())
            assert ("Write" in operations) == (role in roles(topic.written_by)), (role, name)
            changelog = name.endswith("-changelog") and role == "watch"
            reads = changelog or role in roles(topic.read_by)
            assert ("Read" in operations) == reads, (role, name)
            assert operations <= {"Read", "Write", "Describe", "DescribeConfigs"}
        assert may.keys() <= topics.keys()


@with_strimzi
def test_each_role_signs_in_as_itself(overlay: str) -> None:
    for _, pod in workloads(overlay):
        (container,) = pod["spec"]["containers"]
        env = {entry["name"]: entry for entry in container["env"]}
        user = f"czujka-{container['name']}"
        assert env["CZUJKA_SASL_USERNAME"]["value"] == user
        reference = env["CZUJKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": user, "key": "password"}


def test_score_scales_within_its_partitions_and_watch_never() -> None:
    settings = resolved("prod")
    (scaled,) = of_kind("prod", "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == "czujka-score"
    assert scaled["spec"]["maxReplicaCount"] <= settings.posts_partitions
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["bootstrapServers"] == settings.bootstrap_servers
    assert trigger["metadata"]["consumerGroup"] == settings.group("score")
    assert trigger["metadata"]["topic"] == settings.topic("posts")
    normal = settings.posts_partitions * settings.block_records
    assert int(trigger["metadata"]["lagThreshold"]) > normal
    (score,) = (m for m, _ in workloads("prod") if m["metadata"]["name"] == "czujka-score")
    assert "replicas" not in score["spec"]


def test_the_operators_rules_are_the_shipped_ones() -> None:
    folder = ROOT / "deploy/components/prometheus-operator"
    spec = importlib.util.spec_from_file_location("make_rules", folder / "make_rules.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (folder / "rules.yaml").read_text() == module.render(), "run make_rules.py"


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_what_runbooks_do_with_kubectl_is_about_objects_that_exist(page: Path) -> None:
    names = {(m["kind"].lower(), m["metadata"]["name"]) for m in render("prod")}
    components = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in workloads("prod")
    }
    for command in re.findall(r"`(kubectl [^`]+)`", page.read_text()):
        for kind, name in re.findall(r"\b(deployment|statefulset)/([\w-]+)", command):
            assert (kind, name) in names, command
        for name in re.findall(r" pod ([\w-]+)-\d", command):
            assert ("statefulset", name) in names, command
        for component in re.findall(r"app.kubernetes.io/component=(\w+)", command):
            assert component in components, command
        for overlay in re.findall(r"-k deploy/overlays/(\w+)", command):
            assert overlay in OVERLAYS
        assert " -n czujka " in command or " -k " in command
