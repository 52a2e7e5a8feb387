"""Where embeddings come from: the gateway, or the encoder inside this process for bulk work on trusted documents.

The same model gives the same vectors either way, so an index made by one is searched by the other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.local import shelf
from workbench.rag.gateway import RagGateway, default_gateway
from workbench.rag.packages import need
from workbench.settings import mounted_environment

DEFAULT_MODEL = "all-minilm-l6-v2"
TOO_LONG = "context_length_exceeded"
_SHORTEST_HALF = 40


class Embedder(Protocol):
    """What an index needs of an embedding model."""

    @property
    def model(self) -> str:
        """Name of the model, as the gateway knows it."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text."""


class GatewayEmbedder:
    """Embeddings through the gateway: keys, limits and the ledger apply. Without `gateway`, the mounted one."""

    def __init__(self, gateway: RagGateway | None = None, model: str = DEFAULT_MODEL, *, batch_size: int = 64) -> None:
        self.model = model
        self._gateway = gateway
        self._batch_size = batch_size

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text, in calls of `batch_size` texts."""
        if self._gateway is None:
            self._gateway = default_gateway()
        return self._gateway.embed(list(texts), model=self.model, batch_size=self._batch_size)

    def __repr__(self) -> str:
        return f"GatewayEmbedder(model={self.model!r})"


class LocalEmbedder:
    """Embeddings inside this process by sentence-transformers: no call is made, no ledger row is written.

    The bulk path for trusted local work. It loads torch and the weights at first use (seconds, about 650 MB).
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, home: Path | None = None) -> None:
        self.model = model
        self._folder = shelf.path(model, home or mounted_environment().home)
        if not self._folder.is_dir():
            raise InvalidInput(
                f"The model {model!r} is no sentence encoder.", hint=f"Take {DEFAULT_MODEL!r}, or a GatewayEmbedder."
            )
        self._encoder: Any = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text; raises InvalidInput, as the gateway does, for one longer than the model reads."""
        with self._lock:  # the encoder is no good for two threads at once
            if self._encoder is None:
                torch = need("torch", extra="local")
                encoder = need("workbench.local.encoder", extra="local")  # the one that serves behind the gateway
                self._encoder = encoder.Encoder(self._folder, threads=torch.get_num_threads())
            longest = max(self._encoder.count(texts), default=0)
            if longest > self._encoder.limit:
                raise InvalidInput(
                    f"A text has {longest} tokens; {self.model} reads at most {self._encoder.limit}.", code=TOO_LONG
                )
            rows: NDArray[np.float32] = self._encoder.encode(texts)
        return rows

    def __repr__(self) -> str:
        return f"LocalEmbedder(model={self.model!r})"


def embed_whole(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return one row a text, also for texts that are longer than the model reads: the mean of their parts.

    Characters say little about tokens (code, tables and Chinese need many), so the model is asked first; where it
    refuses a batch, the texts are halved until the long one is found, and that is cut in two.
    """
    try:
        return np.asarray(embedder.embed(texts))
    except InvalidInput as error:
        if error.error_code != TOO_LONG or (len(texts) == 1 and len(texts[0]) < _SHORTEST_HALF):
            raise
    if len(texts) > 1:
        middle = len(texts) // 2
        return np.concatenate([embed_whole(embedder, texts[:middle]), embed_whole(embedder, texts[middle:])])
    text = texts[0]
    middle = text.rfind(" ", len(text) // 4, 3 * len(text) // 4 + 1)
    middle = middle if middle > 0 else len(text) // 2
    halves = embed_whole(embedder, [text[:middle], text[middle:]])
    whole: NDArray[np.float32] = halves.mean(axis=0, keepdims=True)
    return whole
