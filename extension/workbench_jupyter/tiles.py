"""The tiles of JupyterLab's launcher: rows that jupyter-server-proxy reads at the server's start, so nothing heavy.

A page behind a tile listens on a socket in a folder of this user's alone: whoever reaches it came through Jupyter.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, RequestHandler

_ICONS = Path(__file__).parent / "icons"
_READY_WITHIN = 180  # seconds; MLflow makes its database at the first start
_HELD_BACK = {"Cookie": "", "Authorization": "", "X-Xsrftoken": ""}
"""What signs in to Jupyter is no business of a page's program."""


def studio() -> dict[str, Any]:
    """Return the row of the app in which answers are compared, rated and promoted."""
    return _row("studio", "Workbench Studio", _HELD_BACK)


def mlflow() -> dict[str, Any]:
    """Return the row of MLflow's own pages."""
    # An MLflow that `workbench up` started lets other origins of this machine read: it is told of none.
    return _row("mlflow", "MLflow", {**_HELD_BACK, "Origin": ""})


def _row(name: str, title: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "command": [sys.executable, "-P", "-m", "workbench_jupyter.page", name, "--socket", "{unix_socket}"],
        "unix_socket": True,
        "timeout": _READY_WITHIN,
        "request_headers_override": dict(headers),
        "update_last_activity": refuse_other_pages,
        "new_browser_tab": True,
        "launcher_entry": {
            "title": title,
            "category": "GenAI workbench",
            "icon_path": str(_ICONS / f"{name}.svg"),
        },
    }


def refuse_other_pages(handler: RequestHandler) -> bool:
    """Refuse what a page of another origin asks to be done; the proxy asks this before it passes a request on.

    It leaves XSRF to the program behind it, and MLflow's own check lets every port of this machine in.
    """
    if handler.request.method not in ("GET", "HEAD", "OPTIONS") and not handler.check_origin():  # type: ignore[attr-defined]
        raise HTTPError(403, "A page of another origin may not ask this Jupyter server.")
    return True
