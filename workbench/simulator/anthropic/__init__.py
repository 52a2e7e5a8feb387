"""Anthropic's protocol: messages plain and streamed, counting, models, batches.

Source: Anthropic's API reference.
"""

from workbench.simulator.anthropic.family import ANTHROPIC
from workbench.simulator.anthropic.paths import PATHS

__all__ = ["ANTHROPIC", "PATHS"]
