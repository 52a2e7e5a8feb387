"""Vertex AI: Gemini, Imagen, text embeddings and Claude below projects and locations, by tokens of Google's server.

Source: Vertex AI REST reference; Anthropic's reference for Claude on Vertex.
"""

from workbench.simulator.vertex.family import VERTEX
from workbench.simulator.vertex.paths import PATHS

__all__ = ["PATHS", "VERTEX"]
