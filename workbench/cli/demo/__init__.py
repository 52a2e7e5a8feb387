"""`workbench demo`: the main job from end to end, headless, in a real Jupyter kernel on the embedded model."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.cli.options import config_option, json_option


@click.command()
@config_option
@click.option("--full", is_flag=True, help="Run all conversations of the dataset, not the first 14.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Run on this model; may stand several times.")
@json_option
def command(*, config: Path | None, full: bool, models: tuple[str, ...], as_json: bool) -> None:
    """Run notebooks/demo.ipynb on the embedded model and tell what came of it.

    A real Jupyter server starts a kernel with a mounted key; in it two prompts are compared on customer-support
    conversations, rated by a rule, and the better one is promoted if the difference is real; then a question is
    answered from ingested documents. Chat models of your own configuration are tried with the better prompt too.
    """
    from workbench.cli.demo.run import run_demo

    report = run_demo(config=config, full=full, models=models, say=lambda line: click.echo(line, err=as_json))
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        report.show()
