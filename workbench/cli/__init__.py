"""The `workbench` command. Each subcommand lives in a file of its own, loaded when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from workbench import __version__
from workbench.errors import SettingsError, WorkbenchError

COMMANDS = {
    "up": "Start gateway, MLflow UI, Streamlit app and JupyterLab together.",
    "demo": "Run a real prompt experiment from end to end on the embedded model.",
    "deploy": "Write the environment and the key mount of an application, for a use case.",
    "doctor": "Say what works, what is missing, and the command that mends it.",
    "experiment": "Run an experiment from a file, with a gate for CI; list, show, report and plan experiments.",
    "feedback": "Drain what applications say; ask colleagues by a link; see whom they prefer.",
    "gateway": "Serve the gateway in the foreground.",
    "conformance": "Try every model of a configuration at each of its providers: a release gate.",
    "budget": "Raise budgets for a while; list raises, and what everybody has left.",
    "audit": "Ship, check and back up the record of calls; take real traffic as a dataset.",
    "config": "Write, check and show the configuration.",
    "alerts": "Test where alerts go, and list what was told.",
    "keys": "Issue, list and revoke exploration keys.",
    "models": "Onboard models of your own; get, list, start and stop the embedded ones.",
    "prompts": "Register, show, promote and list prompts.",
    "rag": "Ingest documents and ask questions about them.",
    "simulate": "Serve simulated providers that fail when told to.",
    "usecase": "Take a use case from its mini-RFC over review to production keys.",
    "status": "Show what runs.",
    "usage": "Tell what calls used and cost; price batches and jobs; compare with invoices.",
}


class _Rooms(click.Group):
    """A group whose commands are loaded only when they are called; `--help` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"workbench.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message} Known: {', '.join(COMMANDS)}.", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"  try: {error.hint}", err=True)
            sys.exit(2)
        except WorkbenchError as error:
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"  try: {error.hint}", err=True)
            sys.exit(1)


@click.group(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="workbench")
def main() -> None:
    """GenAI experiments in Jupyter over one gateway."""
