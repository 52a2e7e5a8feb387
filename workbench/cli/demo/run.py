"""The demo in its order: prepare, run the notebook in a real kernel, gather the report."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

from workbench.cli.demo.notebook_run import CellRun, run_cells, save, with_parameters
from workbench.cli.demo.report import Report
from workbench.cli.demo.stage import GatewayWatch, check_components, lay_out
from workbench.client import Gateway
from workbench.errors import Conflict, InvalidInput
from workbench.services import EmbeddedGateway, GatewayAddress, Process
from workbench.services.ports import free_port
from workbench.services.programs import jupyter_server
from workbench.settings import EMBEDDED_MODELS, Settings, load_settings

NOTEBOOK = "demo.ipynb"
EMBEDDED_CHAT, ENCODER = "smollm2-135m", "all-minilm-l6-v2"
CASES = 14
_CELL_TIMEOUT = 1800.0  # seconds; the experiment with --full on two busy cores takes minutes
_READY_WITHIN = 120.0  # seconds

Say = Callable[[str], None]


def run_demo(*, config: Path | None, full: bool, models: tuple[str, ...], say: Say) -> Report:
    """Run everything and return what came of it; raises a WorkbenchError that says what to do."""
    started = time.monotonic()
    check_components()
    settings = load_settings(config)
    _check_embedded(settings)
    first, *more = _models(settings, models)
    say(f"Home: {settings.home}")
    _pull(settings, say)
    _migrate(settings, say)
    folder = lay_out(settings.home)
    notebook = nbformat.read(folder / NOTEBOOK, as_version=4)
    with_parameters(notebook, {"CASES": None if full else CASES, "MODELS": [first], "MORE": more})
    say("Starting a Jupyter server; its extension mounts a key into the kernel ...")
    gateway = EmbeddedGateway(settings.home, config, restart=False)
    try:
        _check_served(gateway.attach(), settings, [first, *more])
        cells = _run_notebook(settings, notebook, folder, say)
    finally:
        gateway.close()
        executed = settings.home / "demo" / "executed" / NOTEBOOK
        save(notebook, executed)
    return Report.of(cells, notebook=executed, home=settings.home, seconds=time.monotonic() - started)


def _run_notebook(settings: Settings, notebook: nbformat.NotebookNode, folder: Path, say: Say) -> list[CellRun]:
    token = secrets.token_urlsafe(24)
    # A key of the reader's own in the environment must not send the demo's calls past the gateway.
    program = jupyter_server(settings, port=free_port(), token=token, folder=folder, mount="always")
    with Process(program, home=settings.home) as server:
        server.wait_ready(_READY_WITHIN)
        shown: list[str] = []

        def on_start(title: str) -> None:
            if title not in shown:
                shown.append(title)
                say(f"  {title} ...")

        def work() -> list[CellRun]:
            url = program.url.rstrip("/")
            return list(
                run_cells(
                    notebook, server_url=url, token=token, folder="", cell_timeout=_CELL_TIMEOUT, on_start=on_start
                )
            )

        cells: list[CellRun] = GatewayWatch(settings.home).run(work)
        return cells


def _models(settings: Settings, asked: tuple[str, ...]) -> list[str]:
    """Return the models to run on: those asked for, else the embedded one and the user's own chat models."""
    chat = [model.name for model in settings.models if model.task == "chat" and "*" not in model.name]
    for name in asked:
        if name not in chat:
            raise InvalidInput(f"No chat model named {name!r}.", hint=f"Known: {', '.join(map(repr, chat))}.")
    own = [name for name in chat if name not in EMBEDDED_MODELS]
    chosen = list(asked) or [*([EMBEDDED_CHAT] if EMBEDDED_CHAT in chat else []), *own]
    if not chosen:
        raise InvalidInput(
            "The configuration has no chat model.", hint="`workbench config add provider` adds one, or use no file."
        )
    return chosen


def _check_embedded(settings: Settings) -> None:
    """Raise InvalidInput where the configuration leaves out what the notebook itself calls."""
    missing = [name for name in (EMBEDDED_CHAT, ENCODER) if name not in {model.name for model in settings.models}]
    if missing:
        raise InvalidInput(
            f"The demo calls {' and '.join(missing)}, which {settings.file} does not have.",
            hint="`workbench config init` writes a file with the embedded models; `config add provider` keeps them.",
        )


def _check_served(address: GatewayAddress, settings: Settings, models: list[str]) -> None:
    """Raise Conflict where a gateway that runs already was started with other settings."""
    with Gateway() as client:
        served = set(client.models()["model"])
    if missing := [name for name in models if name not in served]:
        raise Conflict(
            f"The gateway that runs for {settings.home} (process {address.pid}) was started with other settings: "
            f"it does not know {', '.join(missing)}.",
            hint="Stop what uses it (`workbench status` tells), then run the demo again.",
        )


def _pull(settings: Settings, say: Say) -> None:
    from workbench.local import weights

    say(f"Weights of {EMBEDDED_CHAT} ...")
    pulled = weights.pull(EMBEDDED_CHAT, home=settings.home, progress=sys.stderr.isatty())
    say(f"  {'pulled' if pulled.changed else 'here already'}: {pulled.installed.bytes / 1e6:.0f} MB")


def _migrate(settings: Settings, say: Say) -> None:
    from workbench import tracking

    say("MLflow store ...")
    tracking.connect(settings)
