"""Open an index and find chunks in it: by words, by meaning, or by both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Conflict, IntegrityError, InvalidInput
from workbench.rag.analyzer import Analyzer
from workbench.rag.chunks import Chunk
from workbench.rag.embedders import Embedder, GatewayEmbedder, embed_whole
from workbench.rag.fusion import Convex, Fusion
from workbench.rag.lexical import LexicalLeg, Rows
from workbench.rag.manifest import Manifest
from workbench.rag.store import Store
from workbench.rag.vectors import VectorLeg, Vectors, normalised

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["hybrid", "bm25", "vector"]
POOL = 100
"""Candidates that each leg gives to the fusion; fixed, so that no score depends on how many hits are asked for."""
PROBE = "The quick brown fox jumps over the lazy dog, twice on weekdays."
"""Embedded once per index, and compared later, to tell that a model of the same name is another one."""
_SAME_MODEL = 0.99


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    """What was found."""
    score: float
    """What it was ranked by: 0 to 1 in a convex hybrid, else the leg's own score. Not comparable between queries."""
    rank: int
    """1 for the best."""
    bm25: float | None
    """Score of the lexical leg, 0 if no term matches; None if the leg was not asked."""
    vector: float | None
    """Cosine of query and chunk; None if the leg was not asked."""


class Index:
    """An index as it stood when it was opened. Reading takes no lock; reopen it to see a later ingest."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        chunks: tuple[Chunk, ...],
        *,
        lexical: LexicalLeg,
        vectors: VectorLeg,
        analyzer: Analyzer,
        embedder: Embedder,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.chunks = chunks
        self.lexical = lexical
        self.vectors = vectors
        self.analyzer = analyzer
        self.embedder = embedder
        self._verified = False

    @classmethod
    def open(cls, path: str | Path, *, embedder: Embedder | None = None, analyzer: Analyzer | None = None) -> Index:
        """Read an index whole and check it.

        Without `embedder`, queries are embedded through the mounted gateway by the model that made the index. Raises
        NotFound, IntegrityError for damaged files, Conflict where analyzer or model are not those of the index.
        """
        store = Store(path)
        manifest, parts = store.read()
        embedder = embedder or GatewayEmbedder(model=manifest.model)
        analyzer = analyzer or Analyzer(manifest.analyzer["language"])
        check_made_by(manifest, where=store.path, embedder=embedder, analyzer=analyzer)
        chunks = _read_chunks(parts["chunks"])
        lexical = LexicalLeg.from_bytes(parts["terms"])
        vectors = VectorLeg.from_bytes(parts["vectors"])
        if not len(chunks) == len(lexical) == len(vectors) == manifest.chunks or (
            vectors.dimension != manifest.dimension
        ):
            raise IntegrityError(
                f"The legs of {store.path} don't fit: {manifest.chunks} chunks in the manifest, {len(chunks)} "
                f"in the id map, {len(lexical)} in the lexical leg, {len(vectors)} in the vector leg.",
                hint="Ingest the folder into a new index.",
            )
        return cls(store.path, manifest, chunks, lexical=lexical, vectors=vectors, analyzer=analyzer, embedder=embedder)

    def __len__(self) -> int:
        return len(self.chunks)

    def __repr__(self) -> str:
        return (
            f"Index({str(self.path)!r}, documents={len(self.manifest.documents)}, chunks={len(self)}, "
            f"model={self.manifest.model!r}, generation={self.manifest.generation})"
        )

    def search(
        self,
        query: str,
        k: int = 5,
        mode: Mode = "hybrid",
        *,
        fusion: Fusion | None = None,
        per_document: int | None = None,
    ) -> list[Hit]:
        """Return the best chunks for a query, at most `k`, best first; equal scores keep the order of the documents.

        Of chunks with the same text only the first is given. `per_document` bounds the hits from one document.
        `mode="bm25"` gives only chunks that share a term with the query and embeds nothing.
        """
        if not query.strip():
            raise InvalidInput("The query is empty.", hint="Ask for something.")
        if not 1 <= k <= POOL:
            raise InvalidInput(f"k={k} can't be served.", hint=f"Take one from 1 to {POOL}.")
        if mode not in ("hybrid", "bm25", "vector"):
            raise InvalidInput(f"No mode named {mode!r}.", hint="Known: 'hybrid', 'bm25', 'vector'.")
        terms = self.analyzer.terms(query)
        matched = self._candidates(lambda count: self.lexical.top(terms, count), per_document)
        if mode == "bm25":
            scores = self.lexical.score(terms, matched)
            return self._hits(matched, scores, bm25=scores, vector=None, k=k, per_document=per_document)
        vector = self.embed([query])[0]
        nearest = self._candidates(lambda count: self.vectors.top(vector, count), per_document)
        if mode == "vector":
            cosines = self.vectors.score(vector, nearest)
            return self._hits(nearest, cosines, bm25=None, vector=cosines, k=k, per_document=per_document)
        # Both legs score every candidate of either, so that a candidate is never judged by one leg alone.
        rows = np.union1d(matched, nearest)
        lexical, cosines = self.lexical.score(terms, rows), self.vectors.score(vector, rows)
        fused = (fusion or Convex()).fuse(lexical, cosines, [self.chunks[row].path for row in rows])
        return self._hits(rows, fused, bm25=lexical, vector=cosines, k=k, per_document=per_document)

    def to_frame(self) -> pd.DataFrame:
        """Return the chunks as a DataFrame: one row each, in the order of the id map."""
        import pandas as pd  # noqa: PLC0415 - pandas loads only for who wants a frame

        columns = ["id", "path", "title", "section", "start", "end", "text"]
        return pd.DataFrame([chunk.as_dict() for chunk in self.chunks], columns=columns)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors by the model of the index, one row a text.

        The first call also embeds the probe: Conflict is raised where the model is another than that of the index.
        """
        if self._verified:
            return self._embed(texts)
        rows = self._embed([PROBE, *texts])
        check_probe(self.manifest, rows[:1], where=self.path)
        self._verified = True
        return rows[1:]

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return normalised(
            embed_whole(self.embedder, texts),
            count=len(texts),
            dimension=self.manifest.dimension,
            source=f"The model {self.embedder.model!r}",
        )

    def _candidates(self, top: Callable[[int], Rows], per_document: int | None) -> Rows:
        """Return a leg's best rows, at most POOL, each text once and each document within its bound.

        The bounds hold before the fusion: else one long document, or a page footer, could fill the whole pool.
        """
        asked = POOL
        while True:
            ranked = top(asked)
            kept = [position for position, _ in zip(self._distinct(ranked, per_document), range(POOL), strict=False)]
            if len(kept) == POOL or len(ranked) < asked:
                return ranked[kept]
            asked *= 4

    def _distinct(self, rows: Rows, per_document: int | None) -> Iterator[int]:
        """Yield the positions in `rows` whose text is new and whose document has not had its share."""
        texts: set[str] = set()
        of_document: dict[str, int] = {}
        for position, row in enumerate(rows):
            chunk = self.chunks[row]
            count = of_document.get(chunk.path, 0)
            if chunk.text in texts or (per_document is not None and count >= per_document):
                continue
            texts.add(chunk.text)
            of_document[chunk.path] = count + 1
            yield position

    def _hits(
        self,
        rows: Rows,
        scores: NDArray[np.float64],
        *,
        bm25: NDArray[np.float64] | None,
        vector: NDArray[np.float64] | None,
        k: int,
        per_document: int | None,
    ) -> list[Hit]:
        order = np.lexsort((rows, -scores))
        best = [order[position] for position in self._distinct(rows[order], per_document)][:k]
        return [
            Hit(
                chunk=self.chunks[rows[position]],
                score=float(scores[position]),
                rank=rank,
                bm25=None if bm25 is None else float(bm25[position]),
                vector=None if vector is None else float(vector[position]),
            )
            for rank, position in enumerate(best, start=1)
        ]


def check_made_by(manifest: Manifest, *, where: Path, embedder: Embedder, analyzer: Analyzer) -> None:
    """Raise Conflict where an index was made by another analyzer or embedding model than those given."""
    if analyzer.fingerprint != manifest.analyzer["fingerprint"]:
        made = f"{manifest.analyzer['language']}, {manifest.analyzer['fingerprint']}"
        raise Conflict(
            f"The index {where} was made by another analyzer ({made}) than this one "
            f"({analyzer.language}, {analyzer.fingerprint}).",
            hint="Open it with the analyzer that made it, or ingest again with replace=True (--replace).",
        )
    if embedder.model != manifest.model:
        raise Conflict(
            f"The index {where} was made with the embedding model {manifest.model!r}, not {embedder.model!r}.",
            hint=f"Use {manifest.model!r}, or ingest again with replace=True (--replace).",
        )


def check_probe(manifest: Manifest, probe: Vectors, *, where: Path) -> None:
    """Raise Conflict where a model embeds the probe otherwise than when the index was made."""
    cosine = float((manifest.probe_vector() @ probe.T)[0, 0])
    if cosine < _SAME_MODEL:
        raise Conflict(
            f"The model {manifest.model!r} is not the one that made the index {where}: it embeds a fixed text "
            f"differently (cosine {cosine:.3f}).",
            hint="Ingest again with replace=True (--replace).",
        )


def _read_chunks(raw: bytes) -> tuple[Chunk, ...]:
    try:
        return tuple(Chunk(**json.loads(line)) for line in raw.decode().splitlines())
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"The id map of the index can't be read: {error}.") from error


def write_chunks(chunks: Sequence[Chunk]) -> bytes:
    """Return the id map: one JSON object a line, row after row."""
    return "".join(json.dumps(chunk.as_dict()) + "\n" for chunk in chunks).encode()
