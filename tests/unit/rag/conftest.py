"""A small folder of documents, and an embedder that hashes words: deterministic, and it counts what it embeds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import InvalidInput

DOCUMENTS = {
    "returns.md": """# Returns

## How long you have

You can return an item within 30 days after it was delivered.

## Exchanges

We don't exchange items. Return the item and place a new order.
""",
    "delivery/times.md": """# Delivery

Standard delivery takes 3 to 5 working days. Express delivery takes 1 working day.
""",
    "warranty.txt": "Furniture has a warranty of 5 years. Lamps have a warranty of 2 years.\n",
}


class HashEmbedder:
    """Bag of hashed words: texts that share words are near."""

    def __init__(self, model: str = "hash", *, salt: str = "", limit: int | None = None) -> None:
        self.model = model
        self.texts: list[str] = []
        self._salt = salt
        self._limit = limit

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        words = [re.findall(r"\w+", text.lower()) for text in texts]
        if self._limit is not None and any(len(found) > self._limit for found in words):
            raise InvalidInput("A text is too long.", code="context_length_exceeded")
        self.texts += texts
        rows = np.zeros((len(texts), 512), dtype=np.float32)
        for row, found in zip(rows, words, strict=True):
            row[0] = 0.01
            for word in found:
                digest = hashlib.sha256(f"{self._salt}{word}".encode()).digest()
                row[1 + int.from_bytes(digest[:2]) % 511] += 1 if len(word) > 3 else 0.1
        return rows


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def make_embedder() -> type[HashEmbedder]:
    return HashEmbedder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    for name, text in DOCUMENTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where an index is made."""
    return tmp_path / "index"
