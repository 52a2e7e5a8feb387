"""`workbench audit ship | show | dataset`: asked of a running gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.which_gateway import asked_gateway, url_option
from workbench.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from workbench.client.audit_desk import AuditDesk

_LONG = 600.0
"""Seconds that reading a large lake may take."""
_FORMATS = (".jsonl", ".csv", ".parquet")


@click.command()
@url_option
@json_option
def ship(*, url: str | None, as_json: bool) -> None:
    """Ship what is new to the lake now, and delete what is over its time."""
    told = _desk(url).ship(timeout=_LONG)
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"{told['rows']} rows and the bodies of {told['bodies']} calls went to {told['lake']}.")
    click.echo(
        f"{told['pruned']} rows left the gateway's own file; over their time were {told['deleted_rows']} rows "
        f"and the bodies of {told['deleted_bodies']} calls."
    )


@click.command()
@click.argument("request_id")
@url_option
@json_option
def show(*, request_id: str, url: str | None, as_json: bool) -> None:
    """Show a call: its row, and what was kept of its request and answer."""
    told = _desk(url).show(request_id, timeout=_LONG)
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told["call"].items():
        if value is not None:
            click.echo(f"{name:20} {value}")
    for side in ("request", "response"):
        if told[side] is not None:
            click.echo(f"\n-- {side}, {told[side]['content_type']}\n{told[side]['body']}")
    if told.get("cut"):
        click.echo("\n(what was longer than [audit.bodies] max_bytes is cut off)")


@click.command()
@click.option("--use-case", metavar="NAME", help="Calls of that use case; default: of all.")
@click.option("--model", metavar="NAME", help="Calls of that model; default: of all.")
@click.option("--last", default="7d", show_default=True, metavar="DURATION", help="How far back: 12h, 7d.")
@click.option("--sample", default=200, show_default=True, type=click.IntRange(min=1), help="Examples at most.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Another seed, another sample.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="A .jsonl, .csv or .parquet file; default: a new .jsonl file, by use case and day.")  # fmt: skip
@url_option
def dataset(
    *, use_case: str | None, model: str | None, last: str, sample: int, seed: int, out: Path | None, url: str | None
) -> None:
    """Make an experiment's dataset of real traffic, with what the data class lets out.

    Each example has the messages as `inputs` and the answer of then as `expected`.
    """
    out = _new_file(use_case or model or "calls") if out is None else out
    if out.suffix not in _FORMATS:
        raise InvalidInput(f"{out.name} is of no known kind.", hint=f"Name a file that ends in {', '.join(_FORMATS)}.")
    if not out.parent.is_dir():
        raise NotFound(f"There is no folder {out.parent}.", hint="Make it first, or name another file with --out.")
    from tqdm.auto import tqdm

    found = _desk(url).dataset(
        since=last, use_case=use_case, model=model, sample=sample, seed=seed, timeout=_LONG
    )  # fmt: skip
    rows = list(tqdm(found, desc="calls", unit="", total=sample, disable=None, leave=False))
    if not rows:
        raise InvalidInput(
            "No kept call fits.",
            hint="Bodies are kept where [audit.bodies] or [audit.classes.NAME] says bodies = 'keep'; try --last 30d.",
            code="empty_dataset",
        )
    _write(rows, out)
    click.echo(f"{len(rows)} examples are in {out}.")


def _new_file(name: str) -> Path:
    """Return a file in this folder that is not there yet."""
    plain = re.sub(r"[^\w.-]+", "-", name)
    stem = f"{plain}-{date.today().isoformat()}"
    numbered = (Path(f"{stem}-{number}.jsonl") for number in count(2))
    return next(path for path in chain([Path(f"{stem}.jsonl")], numbered) if not path.exists())


def _write(rows: list[dict[str, Any]], out: Path) -> None:
    try:
        _write_rows(rows, out)
    except OSError as error:
        raise InvalidInput(f"{out} can't be written: {error.strerror or error}.", hint="Name another file.") from error


def _write_rows(rows: list[dict[str, Any]], out: Path) -> None:
    if out.suffix == ".jsonl":
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return
    import pandas as pd

    frame = pd.DataFrame(_flat(rows))
    if out.suffix == ".csv":
        frame.to_csv(out, index=False)
    else:
        frame.to_parquet(out, index=False)


def _flat(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows for a table: the inputs as columns, what has parts as JSON."""
    return [
        {
            "id": row["id"],
            "question": row["inputs"]["question"],
            "messages": json.dumps(row["inputs"]["messages"], ensure_ascii=False),
            "expected": row["expected"],
            **{name: value for name, value in row.items() if name not in ("id", "inputs", "expected", "parameters")},
            "parameters": json.dumps(row["parameters"], ensure_ascii=False),
        }
        for row in rows
    ]


def _desk(url: str | None) -> AuditDesk:
    from workbench.client.audit_desk import AuditDesk

    asked = asked_gateway(url)
    return AuditDesk(asked.url, asked.token)
