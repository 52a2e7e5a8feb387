"""What a notebook shows to act on: compare two candidates blind and vote.

Each widget has a static twin in text and HTML, so that a saved notebook tells something without a kernel, and so that
nothing here needs ipywidgets but the buttons. What models wrote is always escaped.
"""

from workbench.widgets.comparison import BlindComparison, compare

__all__ = ["BlindComparison", "compare"]
