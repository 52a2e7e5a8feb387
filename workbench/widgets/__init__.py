"""What a notebook shows to act on: results, compare, vote blind, rate, see what changed, promote; the account's panel.

Each keeps a static twin in text and HTML, so that a reopened or exported notebook tells its state without a kernel,
and nothing here needs anywidget but the buttons. What models wrote is always escaped.
"""

from workbench.widgets.account_panel import Panel, panel
from workbench.widgets.comparison import Comparison, compare
from workbench.widgets.difference import Difference, diff
from workbench.widgets.promotion import PromotionForm, promote
from workbench.widgets.rating import Rating, rate
from workbench.widgets.result import Results, results
from workbench.widgets.voting import BlindComparison, vote

__all__ = [
    "BlindComparison",
    "Comparison",
    "Difference",
    "Panel",
    "PromotionForm",
    "Rating",
    "Results",
    "compare",
    "diff",
    "panel",
    "promote",
    "rate",
    "results",
    "vote",
]
