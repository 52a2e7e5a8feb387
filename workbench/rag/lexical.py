"""The lexical leg: rank-bm25 over terms, with its defects kept out.

Terms are numbers, so it never sees a raw string; an IDF that is never negative replaces its own; only chunks that hold
a term of the query are scored, so that none comes back unmatched; equal scores keep the order of the rows.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import IntegrityError
from workbench.rag.packages import need

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


def _okapi(corpus: list[list[int]], *, k1: float, b: float) -> Any:
    rank_bm25 = need("rank_bm25")

    class Okapi(rank_bm25.BM25Okapi):  # type: ignore[misc,name-defined,unused-ignore]
        """BM25 with Lucene's IDF, ln(1 + (N - n + 0.5) / (n + 0.5)).

        The package's own IDF is zero for a term in half of the chunks, negative above it, and then replaced by a
        constant that ranks the commonest terms above rarer ones.
        """

        def _calc_idf(self, nd: dict[int, int]) -> None:
            count = self.corpus_size
            self.idf = {term: math.log(1 + (count - n + 0.5) / (n + 0.5)) for term, n in nd.items()}

    return Okapi(corpus, k1=k1, b=b)


class LexicalLeg:
    """BM25 over the terms of each row."""

    def __init__(self, rows: Sequence[Sequence[str]], *, k1: float = 1.5, b: float = 0.75) -> None:
        self._ids: dict[str, int] = {}
        self._rows = [[self._ids.setdefault(term, len(self._ids)) for term in row] for row in rows]
        self._words = list(self._ids)
        self._postings: dict[int, list[int]] = {}
        for number, row in enumerate(self._rows):
            for term in dict.fromkeys(row):
                self._postings.setdefault(term, []).append(number)
        # The package divides by the number of rows and by their mean length.
        self._bm25 = _okapi(self._rows, k1=k1, b=b) if self._ids else None

    def __len__(self) -> int:
        return len(self._rows)

    def row_terms(self, row: int) -> list[str]:
        """Return the terms of a row."""
        return [self._words[term] for term in self._rows[row]]

    def top(self, query: Sequence[str], k: int) -> Rows:
        """Return the best rows that hold a term of the query, at most `k`, best first."""
        wanted = [self._ids[term] for term in query if term in self._ids]
        matched = sorted({row for term in set(wanted) for row in self._postings[term]})
        rows = np.asarray(matched, dtype=np.int64)
        return rows[np.argsort(-self.score(query, rows), kind="stable")[:k]]

    def score(self, query: Sequence[str], rows: Rows) -> Scores:
        """Return the score of each given row, 0 for one that holds no term of the query."""
        wanted = [self._ids[term] for term in query if term in self._ids]
        if self._bm25 is None or not wanted or not len(rows):
            return np.zeros(len(rows))
        return np.asarray(self._bm25.get_batch_scores(wanted, rows.tolist()), dtype=np.float64)

    # -- stored form ---------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return vocabulary and terms as an npz archive of plain arrays."""
        lengths = [len(row) for row in self._rows]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            vocabulary=np.frombuffer("\n".join(self._words).encode(), dtype=np.uint8),
            lengths=np.asarray(lengths, dtype=np.int64),
            terms=np.asarray([term for row in self._rows for term in row], dtype=np.int32),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> LexicalLeg:
        """Build the leg again; raises IntegrityError where the arrays don't fit one another."""
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
                text = arrays["vocabulary"].tobytes().decode()
                lengths, terms = arrays["lengths"], arrays["terms"]
            words = text.split("\n") if text else []
            stops = np.cumsum(lengths)
            if (lengths < 0).any() or (int(stops[-1]) if len(stops) else 0) != len(terms):
                raise ValueError("lengths and terms differ")
            if len(terms) and not 0 <= int(terms.min()) <= int(terms.max()) < len(words):
                raise ValueError("a term outside the vocabulary")
        except (ValueError, KeyError, OSError) as error:
            raise IntegrityError(f"The lexical leg of the index can't be read: {error}.") from error
        return cls([[words[term] for term in row] for row in np.split(terms, stops[:-1])] if len(lengths) else [])
