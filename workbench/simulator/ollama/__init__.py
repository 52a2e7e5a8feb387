"""Ollama's own protocol, as in-house servers have it beside OpenAI's: streams are lines of JSON.

Source: Ollama's API documentation.
"""

from workbench.simulator.ollama.family import OLLAMA
from workbench.simulator.ollama.paths import PATHS

__all__ = ["OLLAMA", "PATHS"]
