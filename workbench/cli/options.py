"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Configuration file; default: $WORKBENCH_CONFIG, ./workbench.toml, or the one in the home.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
