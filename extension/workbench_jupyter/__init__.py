"""The Jupyter side of the workbench: the server mounts an exploration key into each kernel.

Enabled by installing (`jupyter_server_config.d`). Server and kernel both import this package: it stays light.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from workbench_jupyter.app import WorkbenchExtension  # noqa: PLC0415 - a kernel has no use for the server's side

    return [{"module": "workbench_jupyter", "app": WorkbenchExtension}]
