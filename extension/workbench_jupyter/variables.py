"""What a kernel's environment tells beside the variables that a key becomes; those stand in `workbench.wire.variables`.

Server and kernel share it, so that a key that comes late, or anew, reaches the same variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.wire.variables import Sdk, row_named

HOME = "WORKBENCH_HOME"
MOUNTED = "WORKBENCH_MOUNTED"
"""Names of the rows that are mounted, by commas: so that a server inside a kernel takes none of them for the user's."""
RELAY = "WORKBENCH_RELAY_URL"
"""Where the SDKs' variables lead to; not set where they hold the key itself and lead to the gateway."""
NOTICE = "WORKBENCH_NOTICE"
"""What the kernel tells the user once."""
HUB_TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
"""What JupyterHub gives a server; they stay where `[jupyter] keep_hub_token` says so."""
SERVER_ONLY = ("WORKBENCH_IDENTITY_TOKEN", "JUPYTER_TOKEN", *HUB_TOKENS)
"""What a kernel has no business to know: the key is there so that it need not."""
STARTING = "gateway_starting"
"""Code of the problem in a key file that ends by itself."""


def mounted_sdks(environ: Mapping[str, str]) -> tuple[Sdk, ...]:
    """Return the rows that were mounted into this environment."""
    rows = map(row_named, environ.get(MOUNTED, "").split(","))
    return tuple(row for row in rows if row is not None)
