"""How near an output's meaning is to the expected one, by sentence embeddings that come through the gateway."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Unavailable, WorkbenchError
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Embedder, Score, Scorer, identity_of

_NO_GATEWAY = Score(None, "embeddings come through a gateway: pass `gateway=`, or score within an experiment")

Pairs = Sequence[tuple[Output, Example]]


def embedding_similarity(
    *,
    key: str | None = None,
    model: str = "all-minilm-l6-v2",
    gateway: Embedder | None = None,
    name: str = "embedding_similarity",
) -> Scorer:
    """Score the cosine of the output's and the expected text's sentence embeddings, from 0 (unlike) to 1 (alike).

    Negative cosines count as 0. Vectors come in batches, each text once, through `gateway`, or else the client of the
    experiment; if that fails there is no score. `key` picks one text of an expected dict.
    """

    def score_all(pairs: Pairs, client: Embedder | None) -> list[Score]:
        texts: dict[str, int] = {}
        for output, example in pairs:
            if _hindrance(output, example, key) is None:
                texts.setdefault(output.text or "", len(texts))
                texts.setdefault(example.expected_text(key) or "", len(texts))
        vectors, failed = _unit_vectors(list(texts), gateway or client, model)

        def score(output: Output, example: Example) -> Score:
            if (hindrance := _hindrance(output, example, key) or failed) is not None:
                return hindrance
            one, other = vectors[texts[output.text or ""]], vectors[texts[example.expected_text(key) or ""]]
            return Score(float(np.clip(one @ other, 0.0, 1.0)))

        return [score(output, example) for output, example in pairs]

    return Scorer(
        name,
        lambda output, example: score_all([(output, example)], None)[0],
        batch=score_all,
        identity=identity_of("embedding_similarity", key=key, model=model),
    )


def _hindrance(output: Output, example: Example, key: str | None) -> Score | None:
    if not output.text:
        return NO_TEXT
    return None if example.expected_text(key) else NOTHING_EXPECTED


def _unit_vectors(texts: list[str], client: Embedder | None, model: str) -> tuple[NDArray[np.float64], Score | None]:
    """Return a vector of length 1 for each text, or why there is none."""
    none = np.zeros((0, 0))
    if not texts:
        return none, None
    if client is None:
        return none, _NO_GATEWAY
    try:
        vectors = np.asarray(client.embed(texts, model=model), dtype=np.float64)
        if len(vectors) != len(texts):
            raise Unavailable(f"The model {model!r} gave {len(vectors)} vectors for {len(texts)} texts.")
    except WorkbenchError as error:
        return none, Score(None, f"{type(error).__name__}: {error}")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), None
