"""The unified operations that name a model, a file for each family; this is their table."""

from workbench.gateway.unified.operations.audio import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from workbench.gateway.unified.operations.chat import CHAT
from workbench.gateway.unified.operations.completions import COMPLETIONS
from workbench.gateway.unified.operations.embeddings import EMBEDDINGS
from workbench.gateway.unified.operations.images import EDITS, GENERATIONS
from workbench.gateway.unified.operations.moderations import MODERATIONS
from workbench.gateway.unified.operations.rerank import RERANK

OPERATIONS = (
    CHAT, COMPLETIONS, EMBEDDINGS, GENERATIONS, EDITS, TRANSCRIPTIONS, TRANSLATIONS, SPEECH, MODERATIONS, RERANK,
)  # fmt: skip
"""Every path whose request names a model."""

__all__ = ["CHAT", "COMPLETIONS", "EDITS", "EMBEDDINGS", "GENERATIONS", "MODERATIONS", "OPERATIONS", "RERANK", "SPEECH",
           "TRANSCRIPTIONS", "TRANSLATIONS"]  # fmt: skip
