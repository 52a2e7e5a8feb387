"""A sentence encoder, run by sentence-transformers from files on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

_BATCH = 32


class Encoder:
    """A loaded encoder. Not for use by several threads at once."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        torch.set_num_threads(threads)
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self.limit = int(self._model.max_seq_length)
        """Tokens of a text that are read, the two that mark its ends included."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, the two that mark its ends included."""
        found = self._model.tokenizer(
            list(texts), truncation=False, padding=False, return_attention_mask=False, verbose=False
        )
        return [len(ids) for ids in found["input_ids"]]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector a text, shape [n, dimensions]; what is over the limit is not read."""
        vectors = self._model.encode(list(texts), batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, dtype=np.float32)
