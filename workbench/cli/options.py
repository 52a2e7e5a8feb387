"""Options that several commands have."""

from __future__ import annotations

import re
from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Configuration file; default: $WORKBENCH_CONFIG, ./workbench.toml, or the one in the home.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[int]):
    """Seconds, or a number with a unit."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds that are meant."""
        match = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration; say 3600, 90m, 12h or 7d.", param, ctx)
        return int(match[1]) * _UNITS[match[2] or "s"]
