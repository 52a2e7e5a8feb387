"""`workbench up`: gateway, MLflow UI, app and JupyterLab together, until Ctrl-C."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import config_option
from workbench.errors import MissingComponent, WorkbenchError

if TYPE_CHECKING:
    from workbench.services import EmbeddedGateway, Process, Program
    from workbench.settings import Settings

_READY_WITHIN = 120.0  # seconds; a machine that does much else is slow to load MLflow
_MIGRATED_WITHIN = 300.0  # seconds


@click.command()
@config_option
@click.option("--gateway-port", type=int, help="Default: [gateway] port.")
@click.option("--mlflow-port", type=int, default=5000, show_default=True)
@click.option("--app-port", type=int, default=8501, show_default=True)
@click.option("--jupyter-port", type=int, default=8888, show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Folder of the notebooks; default: this one.",
)
@click.option("--browser/--no-browser", default=None, help="Open JupyterLab; default: where there is a screen.")
def command(
    *,
    config: Path | None,
    gateway_port: int | None,
    mlflow_port: int,
    app_port: int,
    jupyter_port: int,
    folder: Path,
    browser: bool | None,
) -> None:
    """Start gateway, MLflow UI, Streamlit app and JupyterLab together.

    A port that is taken is replaced by a free one. Ctrl-C ends all of them; so does the end of this process.
    """
    from workbench.services import EmbeddedGateway
    from workbench.services.programs import jupyter_lab, mlflow_ui, streamlit_app
    from workbench.settings import has_display, load_settings

    # The end that a service manager or a closed terminal asks for is the one of Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    settings = load_settings(config)
    house = _House(settings)
    token = secrets.token_urlsafe(24)
    rows: list[tuple[str, int, Callable[[int], Program]]] = [
        (
            "jupyterlab",
            jupyter_port,
            lambda port: jupyter_lab(settings, port=port, token=token, folder=folder.resolve()),
        ),
        ("app", app_port, lambda port: streamlit_app(settings, port=port)),
    ]
    mlflow_elsewhere = settings.tracking_uri.startswith(("http://", "https://"))
    if not mlflow_elsewhere:
        rows.insert(0, ("mlflow", mlflow_port, lambda port: mlflow_ui(settings, port=port)))
    try:
        with house.clean_end():
            gateway = EmbeddedGateway(
                settings.home, config, on_change=lambda a: house.say("gateway", a.url, "started again")
            )
            house.gateway = gateway
            house.say("gateway", gateway.attach(port=gateway_port).url)
            if mlflow_elsewhere:
                house.say("mlflow", settings.tracking_uri)
            else:
                house.migrate()
            for name, port, program in rows:
                house.start(name, port, program)
            house.wait_until_ready()
            house.tell_missing_models()
            click.echo(f"Logs are in {settings.home / 'logs'}. Ctrl-C stops everything.")
            if has_display() if browser is None else browser:
                house.open_browser()
            house.watch()
    except KeyboardInterrupt:
        click.echo("Stopped.")


class _House:
    """What runs, and what its owner is told of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._urls: dict[str, str] = {}
        self._processes: list[Process] = []
        self.gateway: EmbeddedGateway | None = None

    def say(self, name: str, url: str, note: str = "") -> None:
        """Tell where a service is, here and in `workbench status`."""
        from workbench.services.record import write_up_record

        click.echo(f"{name:<11} {url}{f'  ({note})' if note else ''}")
        self._urls[name] = url
        write_up_record(self._settings.home, self._urls)

    def migrate(self) -> None:
        """Bring MLflow's schema up to date before anybody opens it."""
        from workbench.services import Process
        from workbench.services.programs import migration

        try:
            program = migration(self._settings)
        except MissingComponent:
            return  # told when MLflow itself is started
        if not (self._settings.home / "mlflow.db").exists():
            click.echo("Making MLflow's database; it takes some seconds, once.")
        process = Process(program, home=self._settings.home)
        self._processes.append(process)
        if process.wait(_MIGRATED_WITHIN) != 0:
            raise process.ended()
        self._processes.remove(process)

    def start(self, name: str, port: int, program: Callable[[int], Program]) -> None:
        """Start a service; one that is not installed is told and left out."""
        from workbench.services import Process, free_port

        try:
            self._processes.append(Process(program(free_port(port)), home=self._settings.home))
        except MissingComponent as error:
            click.echo(f"{name:<11} left out: {error.message} Try: {error.hint}", err=True)

    def wait_until_ready(self) -> None:
        """Tell each service's URL as soon as it answers."""
        deadline = time.monotonic() + _READY_WITHIN
        waiting = list(self._processes)
        while waiting:
            self._tell_dead()
            for process in [p for p in waiting if p.is_ready()]:
                self.say(process.program.name, process.program.open_url)
            waiting = [p for p in self._processes if p.program.name not in self._urls]
            if time.monotonic() > deadline:
                for process in waiting:
                    late = process.log.explain(f"{process.program.name} was not ready after {_READY_WITHIN:.0f} s:")
                    click.echo(f"error: {late}", err=True)
                return
            time.sleep(0.1)

    def tell_missing_models(self) -> None:
        """Say what the first call of an embedded model would be refused for."""
        from workbench.local import weights

        there = {one.model.name for one in weights.installed(self._settings.home)}
        local = {name for name, provider in self._settings.providers.items() if provider.kind == "local"}
        for model in self._settings.models:
            for deployment in model.deployments:
                if deployment.provider in local and deployment.model not in there:
                    click.echo(f"{model.name} has no weights yet: workbench models pull {deployment.model}")

    def watch(self) -> None:
        """Stay until Ctrl-C; a service that dies is told, and the others go on."""
        told: WorkbenchError | None = None
        while True:
            self._tell_dead()
            trouble = self.gateway.last_error if self.gateway else None
            if trouble is not None and trouble is not told:
                click.echo(f"error: {trouble}", err=True)
            told = trouble
            time.sleep(0.5)

    def open_browser(self) -> None:
        """Show JupyterLab."""
        if "jupyterlab" in self._urls:
            webbrowser.open(self._urls["jupyterlab"])

    @contextlib.contextmanager
    def clean_end(self) -> Iterator[None]:
        """End everything, however this ends."""
        from workbench.services import held_leases, stop_all
        from workbench.services.embedded import wait_until_gone
        from workbench.services.record import remove_up_record

        try:
            yield
        finally:
            click.echo("Stopping ...")
            # A second Ctrl-C would leave the rest to the guards; that is clean as well, and not needed.
            stop_all(self._processes)
            if self.gateway is not None:
                self.gateway.close()
            remove_up_record(self._settings.home)
            if not held_leases(self._settings.home):
                wait_until_gone(self._settings.home)

    def _tell_dead(self) -> None:
        for process in [p for p in self._processes if p.exit_code is not None]:
            click.echo(f"error: {process.ended()}\n  The others go on.", err=True)
            self._processes.remove(process)
