"""The vector leg: an exact faiss index over normalised embeddings, so that the inner product is the cosine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import IntegrityError
from workbench.rag.packages import need

Vectors = NDArray[np.float32]


def normalised(vectors: NDArray[Any], *, count: int, dimension: int | None = None, source: str) -> Vectors:
    """Return embeddings as unit vectors; raises IntegrityError where there are not `count` usable ones."""
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[0] != count or (dimension is not None and array.shape[1] != dimension):
        expected = f"{count} x {dimension or 'any'}"
        raise IntegrityError(
            f"{source} returned embeddings of shape {array.shape}, expected {expected}.",
            hint="An index keeps to one embedding model; ingest into a new index to change it.",
        )
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise IntegrityError(f"{source} returned an embedding that is zero or not finite.")
    unit: Vectors = array / lengths
    return unit


class VectorLeg:
    """Exact search over unit vectors, one a row."""

    def __init__(self, index: Any) -> None:
        self._faiss = need("faiss")
        self._index = index

    @classmethod
    def of(cls, vectors: Vectors) -> VectorLeg:
        """Build the leg of unit vectors, rows x dimension."""
        index = need("faiss").IndexFlatIP(vectors.shape[1])
        if len(vectors):
            index.add(vectors)
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    def top(self, query: Vectors, k: int) -> NDArray[np.int64]:
        """Return the nearest rows, at most `k`, nearest first; equal ones in the order of the rows."""
        count = min(k, len(self))
        if not count:
            return np.empty(0, dtype=np.int64)
        scores, rows = self._index.search(query.reshape(1, -1), count)
        order = np.lexsort((rows[0], -scores[0]))
        found: NDArray[np.int64] = rows[0][order]
        return found

    def score(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cosine of each given row."""
        if not len(rows):
            return np.zeros(0)
        cosines: NDArray[np.float64] = (self.vectors()[rows] @ query.reshape(-1)).astype(np.float64)
        return cosines

    def vectors(self) -> Vectors:
        """Return all vectors, rows x dimension, without copying them."""
        if not len(self):
            return np.empty((0, self.dimension), dtype=np.float32)
        flat: Vectors = self._faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self.dimension)
        return flat.reshape(len(self), self.dimension)

    # -- stored form ---------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return faiss's own serialisation."""
        return bytes(self._faiss.serialize_index(self._index).tobytes())

    @classmethod
    def from_bytes(cls, raw: bytes) -> VectorLeg:
        """Build the leg again from bytes whose checksum was verified: faiss trusts what it reads."""
        faiss = need("faiss")
        try:
            index = faiss.deserialize_index(np.frombuffer(raw, dtype=np.uint8))
        except RuntimeError as error:
            raise IntegrityError(f"The vector leg of the index can't be read: {error}.") from error
        if not isinstance(index, faiss.IndexFlatIP):
            raise IntegrityError(f"The vector leg of the index is a {type(index).__name__}, expected IndexFlatIP.")
        return cls(index)
