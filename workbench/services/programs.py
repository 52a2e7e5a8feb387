"""The programs that stand beside the gateway, as rows: each on loopback, at a port of its own, without a browser."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from workbench.errors import MissingComponent
from workbench.services.ports import LOOPBACK
from workbench.services.processes import Program, python_module
from workbench.settings import Settings


def jupyter_lab(settings: Settings, *, port: int, token: str, folder: Path) -> Program:
    """Return JupyterLab on the notebooks of a folder."""
    return _jupyter("jupyterlab", settings, module="jupyterlab", page="/lab", port=port, token=token, folder=folder)


def jupyter_server(
    settings: Settings, *, port: int, token: str, folder: Path, mount: Literal["respect", "always"] | None = None
) -> Program:
    """Return a Jupyter server without a front end; `mount` overrides `[jupyter] mount` for its kernels."""
    program = _jupyter(
        "jupyter-server", settings, module="jupyter_server", page="/", port=port, token=token, folder=folder
    )
    wish = (f"--WorkbenchExtension.mount={mount}",) if mount else ()
    return replace(program, command=(*program.command, *wish))


def mlflow_ui(settings: Settings, *, port: int = 0, socket: Path | None = None) -> Program:
    """Return MLflow's own pages on the tracking data of the home, at a port, or on a socket in a private folder."""
    _require("mlflow", extra="tracking")
    url = f"http://{LOOPBACK}:{port}" if socket is None else ""
    artifacts = (settings.home / "artifacts").as_uri()
    # Behind a socket whoever reaches it has been let in, under a name that MLflow can't know.
    place = ("--uvicorn-opts", f"--uds {shlex.quote(str(socket))}", "--disable-security-middleware") if socket else ()
    return Program(
        name="mlflow" if socket is None else "mlflow-tile",
        # One worker: it is one person's, and each takes 300 MB.
        command=python_module(
            "mlflow", "ui", "--backend-store-uri", settings.tracking_uri, "--default-artifact-root", artifacts,
            "--host", LOOPBACK, "--port", str(port), "--workers", "1", *place,
        ),
        url=url,
        ready_url=f"{url}/health" if url else "",
        environment={
            **_configuration(settings),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
    )  # fmt: skip


def streamlit_app(settings: Settings, *, port: int = 0, socket: Path | None = None) -> Program:
    """Return the app in which answers are compared blind, rated and promoted, at a port or on a socket."""
    place = ("--uds", str(socket)) if socket is not None else ("--host", LOOPBACK, "--port", str(port))
    name, url = ("app", f"http://{LOOPBACK}:{port}") if socket is None else ("app-tile", "")
    return _app(name, settings, module="workbench_app.asgi:app", place=place, url=url)


def rater_app(settings: Settings, *, host: str = LOOPBACK, port: int) -> Program:
    """Return the app that has the page behind links to rate, and nothing else: for an address that others reach."""
    place = ("--host", host, "--port", str(port))
    return _app("rater-app", settings, module="workbench_app.asgi_raters:app", place=place, url=f"http://{host}:{port}")


def _app(name: str, settings: Settings, *, module: str, place: tuple[str, ...], url: str) -> Program:
    _require("streamlit", extra="app")
    if find_spec("workbench_app") is None:
        raise MissingComponent("The app is not installed.", hint='pip install "genai-workbench[app]"')
    return Program(
        name=name,
        # Addresses hold the tokens of links: they are not written to the log.
        command=python_module(
            "uvicorn", module, *place, "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "2",
        ),
        url=url,
        ready_url=f"{url}/_stcore/health" if url else "",
        environment=_configuration(settings),
    )  # fmt: skip


def migration(settings: Settings) -> Program:
    """Return what brings MLflow's schema up to date and ends; a process of its own, because MLflow is large."""
    _require("mlflow", extra="tracking")
    return Program(
        name="mlflow-migration",
        command=(sys.executable, "-P", "-c", "from workbench import tracking; tracking.connect()"),
        environment=_configuration(settings),
    )


def _jupyter(name: str, settings: Settings, *, module: str, page: str, port: int, token: str, folder: Path) -> Program:
    _require(module, extra="jupyter")
    url, secret = f"http://{LOOPBACK}:{port}", f"token={quote(token)}"
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return Program(
        name=name,
        command=python_module(
            module, "--no-browser", f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", *root,
        ),
        url=url + page,
        ready_url=f"{url}/api/status?{secret}",
        secret_url=f"{url}{page}?{secret}",
        # Not on the command line, which every user of the machine can read.
        environment={**_configuration(settings), "JUPYTER_TOKEN": token},
    )  # fmt: skip


def _configuration(settings: Settings) -> Mapping[str, str]:
    """Let every program read the file that we read, whatever folder it works in."""
    return {"WORKBENCH_CONFIG": str(settings.file)} if settings.file else {}


def _require(package: str, *, extra: str) -> None:
    if find_spec(package) is None:
        raise MissingComponent(f"{package} is not installed.", hint=f'pip install "genai-workbench[{extra}]"')
