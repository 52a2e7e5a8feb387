"""Google's protocol: generateContent and its kin, as the Gemini API serves them; Vertex serves the same.

Source: Gemini API reference; https://ai.google.dev/api
"""

from workbench.simulator.gemini.family import GEMINI
from workbench.simulator.gemini.paths import PATHS

__all__ = ["GEMINI", "PATHS"]
