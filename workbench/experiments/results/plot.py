"""Plots of a result: means with intervals, cost, latency; readable in print and for the colour-blind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from workbench.errors import InvalidInput, MissingComponent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.experiments.results.experiment import Experiment

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""The palette of Okabe & Ito 2008, which people with any colour vision tell apart; yellow is left out on white."""
_MARKS = "osD^vPX"
_PANEL_INCHES = 3.2
_ROW_INCHES = 0.42
_COLUMNS = 3


Kind = Literal["intervals", "cost", "latency", "volume"]
KINDS: tuple[Kind, ...] = ("intervals", "cost", "latency", "volume")


def picture(
    experiment: Experiment,
    which: str | Sequence[str] | None,
    *,
    kind: Kind | None = None,
    volume: Callable[[], pd.DataFrame],
) -> Figure:
    """Draw one kind of picture of a result; see `Experiment.plot`. `volume` tells what is dear to ask for."""
    scorers = list(experiment.scorers)
    if kind is None and isinstance(which, str) and which in KINDS and which not in scorers:
        kind, which = which, None
    if kind is not None and kind not in KINDS:
        raise InvalidInput(f"No kind of plot is named {kind!r}.", hint=f"Known: {', '.join(KINDS)}.", param="kind")
    if kind == "latency":
        return _latency(experiment)
    table = experiment.table()
    shown = _asked(which, scorers)
    if kind == "cost" and (table["cost_usd"] == 0).all():
        kind = "volume"
    if kind == "volume":
        return _volume(volume(), [str(name) for name in table.index])
    if not shown:
        raise InvalidInput("There is nothing to plot.", hint="Run the experiment with scorers.")
    return _panels(table, shown, _cost_panel if kind == "cost" else _panel)


def _asked(which: str | Sequence[str] | None, scorers: Sequence[str]) -> list[str]:
    asked = [which] if isinstance(which, str) else list(which or scorers)
    shown = [name.removeprefix("score.") for name in asked]
    if unknown := [name for name in shown if name not in scorers]:
        raise InvalidInput(
            f"No scorer named {unknown[0]!r}.",
            hint=f"Known: {', '.join(scorers) or 'none'}; kinds: {', '.join(KINDS)}.",
        )
    return shown


def _panels(table: pd.DataFrame, shown: Sequence[str], panel: Callable[[Any, pd.DataFrame, str], None]) -> Figure:
    """Draw one panel a metric."""
    columns = min(len(shown), _COLUMNS)
    rows = math.ceil(len(shown) / columns)
    height = 1.1 + max(_ROW_INCHES * len(table), 2.4 if panel is _cost_panel else 0)
    figure = _figure(figsize=(1.4 + _PANEL_INCHES * columns, height * rows))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=panel is _panel)
    for place, axis in enumerate(axes.flat):
        if place >= len(shown):
            axis.set_visible(False)
        else:
            panel(axis, table, shown[place])
    return figure


def _cost_panel(axis: Any, table: pd.DataFrame, name: str) -> None:
    """Draw quality over the cost of a call: up and to the left is better."""
    for row, (label, values) in enumerate(table.iterrows()):
        mean, cost = float(values[f"score.{name}"]), float(values["cost_usd_a_call"])
        if math.isnan(mean) or math.isnan(cost):
            continue
        colour = _COLOURS[row % len(_COLOURS)]
        ends = [_span(values, key) for key in ("cost_usd_a_call", f"score.{name}")]
        axis.errorbar(
            [cost], [mean], xerr=ends[0], yerr=ends[1], color=colour, marker=_MARKS[row % len(_MARKS)], markersize=8
        )
        axis.annotate(_plain(label), (cost, mean), xytext=(7, 7), textcoords="offset points", fontsize=8, color=colour)
    unknown = table.index[table["cost_usd_a_call"].isna()]
    if len(unknown):
        said = f"cost unknown: {', '.join(_plain(each) for each in unknown)}"
        axis.text(0.02, 0.02, said, fontsize=8, transform=axis.transAxes)
    axis.margins(x=0.25, y=0.15)
    axis.set_xlim(left=max(0.0, axis.get_xlim()[0]))
    axis.set_title(f"{name} {_counts(table, name)}", fontsize=10)
    axis.set_xlabel("USD a call, 95% interval", fontsize=8)
    axis.set_ylabel("mean, 95% interval", fontsize=8)
    _clean(axis, "both")


def _latency(experiment: Experiment) -> Figure:
    """Draw every answer's latency, with the median and the 95th percentile of each candidate."""
    good = experiment.cells[experiment.cells["error"].isna()]
    names = [each.name for each in experiment.candidates]
    figure = _figure(figsize=(1.4 + 2 * _PANEL_INCHES, 1.2 + _ROW_INCHES * len(names)))
    axis = figure.subplots()
    for row, name in enumerate(names):
        values = good.loc[good["candidate"] == name, "latency_ms"].dropna().to_numpy() / 1000
        if not len(values):
            axis.text(0.5, row, "no answer", ha="center", va="center", transform=axis.get_yaxis_transform())
            continue
        colour = _COLOURS[row % len(_COLOURS)]
        spread = row + 0.22 * np.sin(np.arange(len(values)) * 2.4)  # the golden angle: points beside each other
        axis.plot(values, spread, marker="o", markersize=2.5, linestyle="none", color=colour, alpha=0.35)
        for percent in (50, 95):
            at = float(np.percentile(values, percent))
            axis.plot([at], [row], marker="|", markersize=16, markeredgewidth=2.5, color="black", linestyle="none")
            axis.annotate(
                f"p{percent} {at:.3g} s", (at, row), xytext=(0, 10), textcoords="offset points", ha="center", fontsize=8
            )
    axis.set_yticks(
        range(len(names)), [f"{_plain(name)} (n={int((good['candidate'] == name).sum())})" for name in names]
    )
    axis.set_ylim(len(names) - 0.4, -0.7)
    axis.set_xlim(left=0)
    axis.set_title("latency", fontsize=10)
    axis.set_xlabel("seconds; every answer, with median and 95th percentile", fontsize=8)
    _clean(axis, "x")
    return figure


def _volume(costs: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw what a volume would cost on each model, one row a model and one mark a candidate."""
    models = list(costs.groupby("model", sort=False)["usd"].max().sort_values().index)
    figure = _figure(figsize=(1.8 + 2 * _PANEL_INCHES, 1.3 + _ROW_INCHES * len(models)))
    axis = figure.subplots()
    for place, name in enumerate(names):
        own = costs[costs["candidate"] == name].set_index("model").loc[models]
        rows = np.arange(len(models)) + (place - (len(names) - 1) / 2) * 0.6 / max(len(names), 1)
        ends = [own["usd"] - own["low"], (own["high"] - own["usd"]).where(np.isfinite(own["high"]), 0.0)]
        label = f"{_plain(name)} (n={int(own['n'].iloc[0])})"
        axis.errorbar(
            own["usd"],
            rows,
            xerr=ends,
            color=_COLOURS[place % len(_COLOURS)],
            marker=_MARKS[place % len(_MARKS)],
            linestyle="none",
            label=label,
        )
    axis.set_yticks(range(len(models)), [_plain(model) for model in models])
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"${value:,.10g}".replace("$", r"\$"))
    axis.set_title("a million calls like these, by model", fontsize=10)
    axis.set_xlabel("USD, 95% interval", fontsize=8)
    axis.legend(fontsize=8, frameon=False)
    _clean(axis, "x")
    return figure


def _span(values: pd.Series[Any], key: str) -> list[list[float]] | None:
    """Return how far the interval reaches to both sides; None where an end is not known."""
    mean, low, high = (float(values[f"{key}{end}"]) for end in ("", ".low", ".high"))
    return [[mean - low], [high - mean]] if math.isfinite(low) and math.isfinite(high) else None


def _counts(table: pd.DataFrame, name: str) -> str:
    counts = sorted({int(count) for count in table[f"score.{name}.n"]})
    shown = "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    unit = str(table[f"score.{name}.unit"].iloc[0])
    of = "" if unit == "example" else f" in {int(table[f'score.{name}.units'].max())} {unit}s"
    return f"(n={shown}{of})"


def _plain(label: Any) -> str:
    return str(label).replace("$", r"\$")  # a `$` would start a formula


def _clean(axis: Any, grid: str) -> None:
    axis.grid(axis=grid, alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _panel(axis: Any, table: pd.DataFrame, name: str) -> None:
    for row, (_, values) in enumerate(table.iterrows()):
        mean, low, high = (float(values[f"score.{name}{end}"]) for end in ("", ".low", ".high"))
        colour, mark = _COLOURS[row % len(_COLOURS)], _MARKS[row % len(_MARKS)]
        if math.isnan(mean):
            axis.text(0.5, row, "no score", ha="center", va="center", transform=axis.get_yaxis_transform())
            continue
        if math.isfinite(low) and math.isfinite(high):
            axis.plot([low, high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
        axis.plot([mean], [row], marker=mark, color=colour, markersize=8, linestyle="none")
        axis.annotate(f"{mean:.2f}", (mean, row), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8)
    axis.set_yticks(range(len(table)), [_plain(label) for label in table.index])
    axis.set_ylim(len(table) - 0.5, -0.7)
    lows, highs = table[f"score.{name}.low"], table[f"score.{name}.high"]
    if lows.min() >= 0 and highs.max() <= 1:
        axis.set_xlim(-0.04, 1.08)
    axis.set_title(f"{name} {_counts(table, name)}", fontsize=10)
    axis.set_xlabel("mean, 95% interval", fontsize=8)
    _clean(axis, "x")


def _figure(*, figsize: tuple[float, float]) -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - half a second: here, not at the import
    except ImportError as error:
        raise MissingComponent("Plots need matplotlib.", hint="pip install 'genai-workbench[tracking]'") from error

    class Plot(Figure):
        """A figure that shows itself; pyplot, which is not safe in threads, is not needed."""

        def _repr_html_(self) -> None:
            return None

        def _repr_png_(self) -> bytes:
            from io import BytesIO  # noqa: PLC0415 - beside its only use

            file = BytesIO()
            self.savefig(file, format="png", dpi=110)
            return file.getvalue()

    return Plot(figsize=figsize, layout="constrained")
