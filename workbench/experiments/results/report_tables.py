"""Tables and pictures of a result as HTML, for the report and for a notebook's widget.

Each number that was computed stands in an element that says of what it is (`data-of`, `data-is`, `data-candidate`,
`data-baseline`) and its exact value (`data-value`), so that anybody can compute it again from the cells.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.experiments.results.frame import NUMBERS

if TYPE_CHECKING:
    import pandas as pd

    from workbench.experiments.results.experiment import Experiment
    from workbench.experiments.results.plot import Kind

CALLED = {"latency_ms": "latency", "cost_usd": "cost of a call"}
"""What is compared beside the scorers, as people call it."""


def _number(value: Any, shown: str, **about: str | None) -> str:
    """Return a number as people read it, with its exact value and what it is."""
    told = "".join(
        f' data-{key.strip("_")}="{html.escape(str(word))}"' for key, word in about.items() if word is not None
    )
    exact = "" if _missing(value) else f' data-value="{float(value)!r}"'
    return f"<span{told}{exact}>{html.escape(shown if exact else '∞' if value == math.inf else 'unknown')}</span>"


def _mean(row: pd.Series[Any], key: str, form: Callable[[float], str], **about: str | None) -> str:
    """Return a mean with its interval, its n and its unit."""
    mean, low, high = (_number(row[f"{key}{end}"], form(row[f"{key}{end}"]), is_=word, **about) for end, word in _ENDS)
    return (
        f"{mean} <small>[{low}, {high}] n={_number(row[f'{key}.n'], str(int(row[f'{key}.n'])), is_='n', **about)}"
        f"{_units(row[f'{key}.n'], row[f'{key}.unit'], row[f'{key}.units'])}</small>"
    )


_ENDS = (("", "mean"), (".low", "low"), (".high", "high"))


def _units(n: Any, unit: Any, units: Any) -> str:
    """Return of what there are n, in words."""
    return " examples" if unit == "example" else f" examples in {int(units)} {html.escape(str(unit))}s" * bool(n)


def _missing(value: Any) -> bool:
    return value is None or not math.isfinite(value)


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _usd(value: float) -> str:
    return f"${value:.3g}" if value else "$0"


def _seconds(value: float) -> str:
    return f"{value / 1000:.3g} s"


def _form(metric: str) -> Callable[[float], str]:
    return _seconds if metric == "latency_ms" else _usd if metric == "cost_usd" else _plain


def candidates_table(experiment: Experiment) -> str:
    """Return the candidates' figures as HTML, one column a candidate."""
    heads = ["model", "answered", "failed", *experiment.scorers, "cost of a call", "cost in all", "latency"]
    heads += ["p50", "p95", "tokens in", "tokens out"]
    rows, table = [], experiment.table()
    for name, row in table.iterrows():
        who = str(name)
        cells = [
            html.escape(str(row["model"] or "")),
            _number(row["n"], str(row["n"]), of="error", is_="answered", candidate=who),
            _number(row["failed"], str(row["failed"]), of="error", is_="failed", candidate=who),
            *(
                _mean(row, f"score.{scorer}", _plain, of=f"score.{scorer}", candidate=who)
                for scorer in experiment.scorers
            ),
            _mean(row, "cost_usd_a_call", _usd, of="cost_usd", candidate=who),
            _number(row["cost_usd"], _usd(row["cost_usd"]), of="cost_usd", is_="sum", candidate=who),
            _mean(row, "latency_ms_a_call", _seconds, of="latency_ms", candidate=who),
        ]
        for word in ("p50", "p95"):
            ends = [
                _number(row[f"latency_ms_{word}{end}"], _seconds(row[f"latency_ms_{word}{end}"]), is_=f"{word}{end}",
                        of="latency_ms", candidate=who)
                for end in ("", ".low", ".high")
            ]  # fmt: skip
            cells.append(f"{ends[0]} <small>[{ends[1]}, {ends[2]}] n={row['n']} answers</small>")
        for column in ("input_tokens", "output_tokens"):
            shown = "" if _missing(row[column]) else f"{row[column]:,.0f}"
            cells.append(_number(row[column], shown, of=column, is_="sum", candidate=who))
        rows.append(cells)
    measures = [list(each) for each in zip(*rows, strict=True)]
    return html_table(
        ["", *(str(name) for name in table.index)],
        [[html.escape(head), *cells] for head, cells in zip(heads, measures, strict=True)],
    )


def comparison_table(
    experiment: Experiment, *, metrics: Sequence[str] | None = None, baseline: str | None = None
) -> str:
    """Return every candidate against the baseline (default: the first) as HTML; by default on all metrics."""
    if len(experiment.candidates) < 2:
        return ""
    heads = ["candidate", "metric", "mean", "baseline's", "difference", "p", "n", "left out", "verdict", "method"]
    rows = []
    for metric in metrics or [*experiment.scorers, *(each for each in CALLED if each not in experiment.scorers)]:
        form = _form(metric)
        for name, row in experiment.compare(metric=metric, baseline=baseline).iterrows():
            of = metric if metric in NUMBERS and metric not in experiment.scorers else f"score.{metric}"
            about = {"of": of, "candidate": str(name), "baseline": str(row["baseline"])}
            pairs = _number(row["n"], str(row["n"]), is_="n", **about)
            difference = _number(row["difference"], _signed(form, row["difference"]), is_="mean", **about)
            low, high = (_number(row[end], _signed(form, row[end]), is_=end, **about) for end in _SIDES)
            rows.append(
                [
                    f"<b>{html.escape(str(name))}</b> against {html.escape(str(row['baseline']))}",
                    html.escape(CALLED.get(metric, metric)),
                    _number(row["mean"], form(row["mean"]), is_="ours", **about),
                    _number(row["baseline_mean"], form(row["baseline_mean"]), is_="theirs", **about),
                    f"{difference} <small>[{low}, {high}]</small>",
                    _number(row["p_value"], f"{row['p_value']:.2g}", is_="p_value", **about),
                    f"{pairs}{_units(row['n'], row['unit'], row['units'])}",
                    _number(row["excluded"], str(row["excluded"]), is_="excluded", **about),
                    f"<strong>{html.escape(row['verdict'])}</strong>",
                    f"<small>{html.escape(row['method'])}</small>",
                ]
            )
    return html_table(heads, rows)


_SIDES = ("low", "high")


def _signed(form: Callable[[float], str], value: float) -> str:
    return ("-" if value < 0 else "+") + form(abs(value))


def picture_html(experiment: Experiment, kind: Kind, says: str) -> str:
    """Return a picture as HTML that needs no file; where it can't be drawn, why."""
    try:
        figure = experiment.plot(kind=kind)
    except WorkbenchError as error:  # nothing to draw, no matplotlib, or no gateway that knows prices
        return f"<p>{html.escape(says)}: {html.escape(error.message)}</p>"
    file = BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{html.escape(says)}" src="data:image/svg+xml;base64,{content}">'


def disagreement_table(experiment: Experiment, *, limit: int = 20) -> str:
    """Return the examples that are worth a look as HTML, with what was answered; empty if nothing differs."""
    found = experiment.disagreements()
    if found.empty:
        return ""
    answers = {
        (cell["candidate"], cell["example_id"]): cell
        for cell in experiment.cells.iloc[::-1].to_dict("records")  # the first repeat stays
    }
    names = [each.name for each in experiment.candidates]
    rows = []
    for row in found.head(limit).to_dict("records"):
        why = [
            f"{_plain(row['spread'])} on {row['metric']}: best {row['best']}, worst {row['worst']}"
            if row["spread"]
            else "",
            f"{_plain(row['scorer_spread'])} between scorers on {row['scorer_candidate']}"
            if row["scorer_spread"]
            else "",
        ]
        shown = [_answer(answers.get((name, row["example_id"]))) for name in names]
        rows.append(
            [html.escape(str(row["example_id"])), "<br>".join(html.escape(each) for each in why if each), *shown]
        )
    more = f"<p>The first {len(rows)} of {len(found)}.</p>" if len(found) > len(rows) else ""
    return html_table(["example", "spread", *names], rows) + more


def failure_table(experiment: Experiment, *, limit: int = 50) -> str:
    """Return what has no figure as HTML."""
    found = experiment.failures()
    if found.empty:
        return "<p>None.</p>"
    shown = found.head(limit)
    more = f"<p>The first {len(shown)} of {len(found)}.</p>" if len(found) > len(shown) else ""
    return frame_table(shown) + more


def _answer(cell: Mapping[Any, Any] | None) -> str:
    if cell is None:
        return ""
    if cell["error"]:
        return f"<em>{html.escape(str(cell['error']))}</em>"
    output = cell["output"]
    said = "(an image)" if isinstance(output, bytes) else str(output or "")
    return f"<div class='answer'>{html.escape(said)}</div>"


def html_table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; heads are escaped here, cells are HTML already."""
    head = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def frame_table(frame: pd.DataFrame) -> str:
    """Return a DataFrame as an HTML table; what is missing is an empty cell."""
    rows = [
        ["" if _empty(value) else html.escape(str(value)) for value in row] for row in frame.itertuples(index=False)
    ]
    return html_table([str(each) for each in frame.columns], rows)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
