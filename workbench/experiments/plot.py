"""Plots of a result: means with intervals, readable in print and for the colour-blind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import InvalidInput, MissingComponent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""The palette of Okabe & Ito 2008, which people with any colour vision tell apart; yellow is left out on white."""
_MARKS = "osD^vPX"
_PANEL_INCHES = 3.2
_ROW_INCHES = 0.42
_COLUMNS = 3


def draw(table: pd.DataFrame, scorers: Sequence[str], metric: str | Sequence[str] | None) -> Figure:
    """Draw one panel a metric and one row a candidate: the mean as a mark, the 95% interval as a line."""
    asked = [metric] if isinstance(metric, str) else list(metric or scorers)
    shown = [name.removeprefix("score.") for name in asked]
    if unknown := [name for name in shown if name not in scorers]:
        raise InvalidInput(f"No scorer named {unknown[0]!r}.", hint=f"Known: {', '.join(scorers) or 'none'}.")
    if not shown:
        raise InvalidInput("There is nothing to plot.", hint="Run the experiment with scorers.")
    columns = min(len(shown), _COLUMNS)
    rows = math.ceil(len(shown) / columns)
    height = 1.1 + _ROW_INCHES * len(table)
    figure = _figure(figsize=(1.4 + _PANEL_INCHES * columns, height * rows))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place, axis in enumerate(axes.flat):
        if place >= len(shown):
            axis.set_visible(False)
        else:
            _panel(axis, table, shown[place])
    return figure


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
    # A `$` would start a formula.
    axis.set_yticks(range(len(table)), [str(label).replace("$", r"\$") for label in table.index])
    axis.set_ylim(len(table) - 0.5, -0.7)
    lows, highs = table[f"score.{name}.low"], table[f"score.{name}.high"]
    if lows.min() >= 0 and highs.max() <= 1:
        axis.set_xlim(-0.04, 1.08)
    counts = sorted({int(count) for count in table[f"score.{name}.n"]})
    axis.set_title(f"{name} (n={'-'.join(map(str, {counts[0], counts[-1]}))})", fontsize=10)
    axis.set_xlabel("mean, 95% interval", fontsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


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
