"""`workbench doctor`: what works, what is missing, and the command that mends it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from workbench.cli.options import config_option, json_option


@click.command()
@config_option
@click.option("--start/--no-start", default=True, help="Start the gateway, if none runs, to see whether it does.")
@json_option
def command(*, config: Path | None, start: bool, as_json: bool) -> None:
    """Say what works, what is missing, and the command that mends it.

    The exit code is 0 where `workbench demo` can run, 1 where something that it needs is missing.
    """
    from workbench.cli.checks import all_checks

    findings = []
    for finding in all_checks(config, start=start):
        findings.append(finding)
        if not as_json:
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "without"
            click.echo(f"{mark:<8} {finding.what:<23} {finding.found}")
            if not finding.ok and finding.mend:
                click.echo(f"{'':<8} {'':<23} try: {finding.mend}")
    can_run = all(finding.ok or not finding.needed for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": can_run, "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        missing = [finding.what for finding in findings if finding.needed and not finding.ok]
        click.echo("`workbench demo` can run." if can_run else f"`workbench demo` can't run: see {', '.join(missing)}.")
    sys.exit(0 if can_run else 1)
