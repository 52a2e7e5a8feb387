"""`--format docker-compose`: a file to lay over the application's own, with the key mounted as a secret."""

from __future__ import annotations

from typing import Any

import yaml

from workbench.cli.deploy.comment import header
from workbench.cli.deploy.env import env_file, key_file
from workbench.cli.deploy.target import Target
from workbench.wire.key_file import MountedKey
from workbench.wire.variables import GATEWAY_URL, KEY_FILE

_MOUNTED = "workbench_key"
ROTATION = """\
Use: `docker compose -f compose.yaml -f {use_case}.compose.yaml up -d`, with these files beside it.
Compose mounts the key file with its owner and mode: a container of another user needs `user:`, or the file chowned.
Rotate without a gap: `{again}` writes a second key; the first one stays good.
Then the same command with `--force-recreate {app}`: a container keeps the file and the variables it began with.
Then end the first one: `workbench keys revoke {key}`.
"""


def texts(target: Target, key: MountedKey) -> tuple[str, ...]:
    """Return the compose file, the file of its secret variables, and the key file."""
    variables = {GATEWAY_URL: key.gateway_url, KEY_FILE: f"/run/secrets/{_MOUNTED}"}
    secrets: dict[str, str] = {}
    for sdk in target.sdks:
        variables |= sdk.urls(key.gateway_url)
        secrets |= dict.fromkeys(sdk.key_variables, key.key)
    secret = f"{target.use_case}-workbench-key"
    document: dict[str, Any] = {
        "services": {
            target.app: {
                # Compose would put a variable in place of what follows a `$`.
                "environment": {name: value.replace("$", "$$") for name, value in variables.items()},
                "env_file": [f"./{target.use_case}.env"],
                "secrets": [{"source": secret, "target": _MOUNTED}],
            }
        },
        "secrets": {secret: {"file": f"./{target.key_path.name}"}},
    }
    comment = header(target, ROTATION)
    return comment + yaml.safe_dump(document, sort_keys=False), comment + env_file(secrets), key_file(key)
