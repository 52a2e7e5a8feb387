"""`workbench experiment run`: an experiment from a file, a gate, and an exit code that a pipeline can trust."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.gateway_in_use import gateway_in_use
from workbench.cli.options import json_option

if TYPE_CHECKING:
    from workbench.experiments import Experiment, Preview
    from workbench.experiments.runs.definition import Definition
    from workbench.prompts import Decision


_FILE = click.Path(path_type=Path, dir_okay=False)


def _writable(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Make the folder of what will be written: that it can't be is told before calls are paid."""
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.BadParameter(f"{file} can't be written: {error}.") from error
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise click.BadParameter(f"{file} can't be written: permission denied.")
    return file


@click.command()
@click.argument("file", type=_FILE)
@click.option("--junit", type=_FILE, callback=_writable, metavar="FILE", help="Write the result as JUnit XML.")
@click.option("--report", type=_FILE, callback=_writable, metavar="FILE", help="Write the result as one HTML file.")
@click.option("--fresh", is_flag=True, help="Ask for everything anew, whatever the journal holds.")
@click.option("--no-track", is_flag=True, help="Write nothing to MLflow.")
@click.option("--dry-run", is_flag=True, help="Check everything, tell what it will cost, and send nothing.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def run(
    file: Path,
    *,
    junit: Path | None,
    report: Path | None,
    fresh: bool,
    no_track: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the experiment that FILE (exp.toml) defines.

    Exit code 0: it ran, and its gate passed or it has none; 1: the gate refused, or the run could not be done; 2: FILE
    or an option is wrong, told as a whole before a call is made. Run again, it goes on where it stopped.
    """
    from workbench import experiments
    from workbench.experiments.runs.definition import read_definition

    with gateway_in_use() as gateway:
        found = read_definition(file, gateway=gateway)
        given: dict[str, Any] = {} if found.concurrency is None else {"concurrency": found.concurrency}
        start: Callable[..., Any] = partial(
            experiments.run,
            found.name,
            found.candidates,
            found.dataset,
            found.scorers,
            gateway=gateway,
            repeats=found.repeats,
            budget_usd=found.budget_usd,
            resume=not fresh,
            track=not no_track,
            progress=not quiet and not as_json,
            **given,
        )
        if dry_run:
            _preview(start(dry_run=True), as_json=as_json)
            return
        result = start()
        decision = _decide(found, result)
        if junit is not None:
            from workbench.experiments.results.junit import write_junit

            write_junit(result, decision, junit)
        if report is not None:
            result.report(report)
    _tell(found, result, decision, as_json=as_json)
    sys.exit(0 if decision is None or decision.passed else 1)


COMMANDS = (run,)


def _decide(found: Definition, result: Experiment) -> Decision | None:
    """Return what the gate says of the candidate that it is about; None where there is no gate."""
    if found.gates is None:
        return None
    ours, theirs = (result.cells[result.cells["candidate"] == name] for name in (found.gated, found.baseline))
    return found.gates.decide(ours, theirs, judges=result.judges, less_is_better=result.less_is_better)


def _preview(told: Preview, *, as_json: bool) -> None:
    rows = json.loads(told.table.to_json(orient="table", index=True))["data"] if as_json else None
    click.echo(repr(told) if rows is None else json.dumps({"cells": told.cells, "usd": told.usd, "candidates": rows}))


def _tell(found: Definition, result: Experiment, decision: Decision | None, *, as_json: bool) -> None:
    if as_json:
        gate = None if decision is None else {"candidate": found.gated, "passed": decision.passed,
                                              "reason": decision.reason, "figures": dict(decision.figures)}  # fmt: skip
        click.echo(json.dumps({**result.as_dict(), "gate": gate}, indent=2, ensure_ascii=False))
        return
    click.echo(repr(result))
    if decision is not None:
        click.echo(f"gate on {found.gated!r} {decision}")
