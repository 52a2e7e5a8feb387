"""Near-duplicates: texts that share most of their five-letter pieces, found without comparing each with each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from workbench.evidence.example import Example

_PIECE = 5
_PERMUTATIONS = 128
_SLACK = 0.15
"""How much below the bar a sketch may put a pair that is then compared exactly: sketches err by some hundredths."""


def text_of(example: Example) -> str:
    """Return what an example asks, as one text in which case and spacing do not count."""
    return _plain(" ".join(_texts(example.inputs)))


def pieces(text: str) -> frozenset[str]:
    """Return the pieces of five letters that a text holds; a shorter text is one piece."""
    plain = _plain(text)
    return frozenset(plain[at : at + _PIECE] for at in range(max(1, len(plain) - _PIECE + 1)))


def near_pairs(texts: Sequence[str], *, bar: float) -> Iterator[tuple[int, int, float]]:
    """Yield (place, place, similarity) of texts whose pieces have a Jaccard similarity of at least `bar`.

    Candidates come from MinHash sketches (Broder 1997) and are then compared exactly.
    """
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415 - loads when it is used

    held = [pieces(text) for text in texts]
    sketches = MinHashLSH(threshold=max(0.05, bar - _SLACK), num_perm=_PERMUTATIONS)
    for place, own in enumerate(held):
        sketch = MinHash(num_perm=_PERMUTATIONS, seed=1)
        sketch.update_batch([piece.encode("utf-8", "surrogatepass") for piece in sorted(own)])
        for other in sorted(sketches.query(sketch)):
            similarity = len(own & held[other]) / len(own | held[other])
            if similarity >= bar:
                yield other, place, similarity
        sketches.insert(place, sketch)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _texts(value[key])
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield json.dumps(value)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()
