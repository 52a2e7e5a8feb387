"""The report: a whole result in one HTML file that reaches for nothing, with its cells as a table to export."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.experiments.results.plot import Kind
from workbench.experiments.results.report_style import STYLE
from workbench.experiments.results.report_tables import (
    candidates_table,
    comparison_table,
    disagreement_table,
    failure_table,
    frame_table,
    html_table,
    picture_html,
)
from workbench.wire.whole_file import write_whole

if TYPE_CHECKING:
    from workbench.experiments.results.experiment import Experiment
    from workbench.experiments.results.run_info import RunInfo

_CELLS = 200
"""Rows of the cells that are shown; all of them are exported."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: nothing but what stands in it."""


def write(experiment: Experiment, path: Path) -> Path:
    """Write the report, making its folder, and return its path; an older file is replaced when the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, as_html(experiment).encode(), draft=path.with_name(f".{path.name}.draft"))
    return path


def as_html(experiment: Experiment) -> str:
    """Return the report as HTML."""
    pictures = "".join(picture_html(experiment, kind, says) for kind, says in _PICTURES)
    sections = [
        _section("Candidates", candidates_table(experiment), "Means over the examples with 95% intervals."),
        _section("Comparison with the baseline", comparison_table(experiment), _HOW_COMPARED),
        _section("Pictures", f'<div class="pictures">{pictures}</div>'),
        _section("Judges", _judges(experiment), "How far each judge agrees with people."),
        _section("Where they disagree", disagreement_table(experiment), _HOW_DISAGREED),
        _section("Failures", failure_table(experiment), "Excluded from the scores and counted; never wrong answers."),
        _section("Prompts and parameters", "".join(_prompt(each) for each in experiment.candidates)),
        _section("Cells", _cells(experiment)),
        _section("Environment", _definitions(experiment.environment)),
    ]
    title = html.escape(experiment.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><style>{STYLE}</style></head><body><main><h1>{title}</h1>{_heading(experiment)}'
        f"{''.join(sections)}</main></body></html>\n"
    )


_PICTURES: tuple[tuple[Kind, str], ...] = (
    ("intervals", "Mean of each scorer with its 95% interval"),
    ("cost", "Quality over the cost of a call"),
    ("latency", "Latency of every answer"),
)
_HOW_COMPARED = (
    "On the examples that both answered, repeats averaged first; p values adjusted by Holm's method over candidates."
)
_HOW_DISAGREED = (
    "Spread: the widest distance between two candidates on one scorer, or between two scorers on one candidate, from 0 "
    "to 1 of what there can be."
)


def _heading(experiment: Experiment) -> str:
    facts = {
        "experiment": experiment.experiment_id,
        "dataset": f"{experiment.dataset}, {experiment.cells['example_id'].nunique()} examples",
        "dataset digest": experiment.dataset_hash,
        "candidates": str(len(experiment.candidates)),
        "repeats": str(int(experiment.cells["repeat"].max()) + 1),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    return _definitions(facts)


# -- sections


def _judges(experiment: Experiment) -> str:
    rows = []
    for name, trust in experiment.judges.items():
        if trust is None:
            rows.append([html.escape(name), "never measured against people", "", "may not gate"])
            continue
        agreement = f"{trust['statistic']} {trust['agreement']:.2f} [{trust['low']:.2f}, {trust['high']:.2f}]"
        verdict = "may gate" if trust["may_gate"] else "may not gate: " + "; ".join(trust["objections"])
        rows.append([html.escape(name), html.escape(agreement), f"{trust['n']} items", html.escape(verdict)])
    return html_table(["judge", "agreement with people", "n", ""], rows) if rows else ""


def _prompt(candidate: RunInfo) -> str:
    facts = {
        "model": candidate.model or "",
        "prompt": candidate.prompt_label or "a callable",
        "hash": candidate.prompt_hash or "",
        "parameters": json.dumps(dict(candidate.parameters), ensure_ascii=False, default=str),
        "MLflow run": candidate.run_id or "not written",
    }
    template = candidate.template
    if isinstance(template, str):
        said = f"<pre>{html.escape(template)}</pre>"
    else:
        said = "".join(
            f"<p>{html.escape(str(each.get('role', '')))}</p><pre>{html.escape(_text(each.get('content')))}</pre>"
            for each in template or ()
        )
    return f"<h3>{html.escape(candidate.name)}</h3>{_definitions(facts)}{said}"


def _cells(experiment: Experiment) -> str:
    cells = experiment.cells.drop(columns="images", errors="ignore")
    cells = cells.assign(output=[_exported(each) for each in cells["output"]])
    content = base64.b64encode(cells.to_csv(index=False).encode()).decode()
    name = f"{experiment.experiment_id}.csv"
    return (
        f'<p><a id="cells" download="{html.escape(name)}" href="data:text/csv;charset=utf-8;base64,{content}">'
        f"Export all {len(cells)} cells as CSV</a></p><details><summary>The first {min(_CELLS, len(cells))}</summary>"
        f"{frame_table(cells.head(_CELLS))}</details>"
    )


# -- pieces


def _exported(output: Any) -> Any:
    return f"(image of {len(output)} bytes)" if isinstance(output, bytes) else output


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)


def _section(title: str, body: str, says: str = "") -> str:
    if not body:
        return ""
    return f"<section><h2>{html.escape(title)}</h2>{f'<p>{html.escape(says)}</p>' if says else ''}{body}</section>"


def _definitions(facts: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>' for k, v in facts.items() if v)}</dl>"
