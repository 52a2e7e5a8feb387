"""`--format env`: an environment file beside a key file, for systemd, `docker run --env-file`, or a shell."""

from __future__ import annotations

import json
from dataclasses import asdict

from workbench.cli.deploy.comment import header
from workbench.cli.deploy.target import Target
from workbench.wire.key_file import MountedKey
from workbench.wire.variables import GATEWAY_URL, KEY_FILE

ROTATION = """\
Rotate without a gap: `{again}` puts a second key into both files; the first one stays good.
What reads WORKBENCH_KEY_FILE follows at once; what reads OPENAI_API_KEY, after a restart.
Then end the first one: `workbench keys revoke {key}`.
"""


def texts(target: Target, key: MountedKey) -> tuple[str, ...]:
    """Return the environment file and the key file."""
    variables = {GATEWAY_URL: key.gateway_url, KEY_FILE: str(target.key_path)}
    for sdk in target.sdks:
        variables |= sdk.variables(key)
    return header(target, ROTATION) + env_file(variables), key_file(key)


def env_file(variables: dict[str, str]) -> str:
    """Return variables as an environment file; none of our values needs quotes."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def key_file(key: MountedKey) -> str:
    """Return the key file, as `wire.key_file` reads it."""
    return json.dumps(asdict(key)) + "\n"
