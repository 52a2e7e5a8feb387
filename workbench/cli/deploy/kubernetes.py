"""`--format kubernetes`: a Secret, and the lines of a Deployment that mount it, as a patch."""

from __future__ import annotations

from typing import Any

import yaml

from workbench.cli.deploy.comment import header
from workbench.cli.deploy.env import key_file
from workbench.cli.deploy.target import Target
from workbench.wire.key_file import MountedKey
from workbench.wire.variables import GATEWAY_URL, KEY_FILE

_FOLDER = "/var/run/workbench"
_ENTRY = "key.json"
_VOLUME = "workbench-key"
_READABLE = 0o444  # the container may run as any user; the volume is the pod's own
ROTATION = """\
Use: `kubectl{in_namespace} apply -f {use_case}.secret.yaml`, then
`kubectl{in_namespace} patch deployment {app} --patch-file {use_case}.deployment.yaml`,
or write the lines of the patch into your own manifest.
Rotate without a gap: `{again}` writes a second key; the first one stays good.
Then apply and patch again: the key file follows within a minute; the new annotation restarts the pods one after
the other, since what reads OPENAI_API_KEY keeps the key it began with.
Then end the first one: `workbench keys revoke {key}`.
"""


def texts(target: Target, key: MountedKey) -> tuple[str, ...]:
    """Return the Secret and the patch of the Deployment."""
    name = f"{target.use_case}-workbench-key"
    secrets = {variable: key.key for sdk in target.sdks for variable in sdk.key_variables}
    labels = {"app.kubernetes.io/managed-by": "genai-workbench", "genai-workbench/use-case": target.use_case}
    namespace = {"namespace": target.namespace} if target.namespace else {}
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, **namespace, "labels": labels},
        "type": "Opaque",
        "stringData": {_ENTRY: key_file(key).strip(), **secrets},
    }
    patch: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": target.app, **namespace},
        "spec": {"template": _template(target, key, secret_name=name, secrets=secrets)},
    }
    comment = header(target, ROTATION)
    return tuple(comment + yaml.safe_dump(document, sort_keys=False) for document in (secret, patch))


def _template(target: Target, key: MountedKey, *, secret_name: str, secrets: dict[str, str]) -> dict[str, Any]:
    # A whole folder is mounted: what is mounted by subPath never follows its Secret.
    variables = {GATEWAY_URL: key.gateway_url, KEY_FILE: f"{_FOLDER}/{_ENTRY}"}
    for sdk in target.sdks:
        variables |= sdk.urls(key.gateway_url)
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in variables.items()]
    env += [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": name}}} for name in secrets]
    container = {
        "name": target.app,
        "env": env,
        "volumeMounts": [{"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True}],
    }
    items = [{"key": _ENTRY, "path": _ENTRY}]
    volume = {"name": _VOLUME, "secret": {"secretName": secret_name, "defaultMode": _READABLE, "items": items}}
    annotations = {"metadata": {"annotations": {"genai-workbench/key": target.key_id}}} if target.key_id else {}
    return {**annotations, "spec": {"containers": [container], "volumes": [volume]}}
