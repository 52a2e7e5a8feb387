"""Retrieval with both legs, and answers whose citations were checked.

`ingest` brings an index in step with a folder; `Index` finds chunks by words and meaning; `Pipeline` answers through
the gateway. Not a vector database: an index is a folder of files that one process writes at a time.
"""

from __future__ import annotations

from workbench.rag.analyzer import Analyzer
from workbench.rag.answer import Answer
from workbench.rag.chunks import Chunk, Chunking
from workbench.rag.citations import Citation, Statement
from workbench.rag.documents import Limits
from workbench.rag.embedders import Embedder, GatewayEmbedder, LocalEmbedder
from workbench.rag.fusion import Convex, ReciprocalRank
from workbench.rag.index import Hit, Index
from workbench.rag.ingest import IngestReport, ingest
from workbench.rag.pipeline import Pipeline

__all__ = [
    "Analyzer",
    "Answer",
    "Chunk",
    "Chunking",
    "Citation",
    "Convex",
    "Embedder",
    "GatewayEmbedder",
    "Hit",
    "Index",
    "IngestReport",
    "Limits",
    "LocalEmbedder",
    "Pipeline",
    "ReciprocalRank",
    "Statement",
    "ingest",
]
