"""Cases of embedding models."""

from __future__ import annotations

import math

from workbench.client import Gateway
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import expect

_TEXTS = ["ramen with egg", "a bicycle", "wörld 😀 日本語"]


def vectors(gateway: Gateway, subject: Subject) -> str:
    """Check that texts become vectors of one length, in their order, the same as floats and packed."""
    packed = gateway.embed(_TEXTS, model=subject.model)
    plain = gateway.openai.embeddings.create(input=_TEXTS, model=subject.model, encoding_format="float")
    expect(packed.shape[0] == len(_TEXTS), f"{len(_TEXTS)} texts gave {packed.shape[0]} vectors")
    for index, row in enumerate(sorted(plain.data, key=lambda one: one.index)):
        expect(len(row.embedding) == packed.shape[1], "floats and packed vectors differ in length")
        far = max(abs(float(a) - float(b)) for a, b in zip(row.embedding, packed[index], strict=True))
        expect(far < 1e-2, f"floats and packed vectors of text {index} differ by {far:.3g}")
    expect(all(math.isfinite(float(value)) for value in packed.ravel()), "a number is not finite")
    return f"{packed.shape[1]} dimensions"


def usage(gateway: Gateway, subject: Subject) -> str:
    """Check that tokens are told."""
    answer = gateway.openai.embeddings.create(input=_TEXTS, model=subject.model)
    expect(answer.usage.prompt_tokens > 0, "the answer tells no tokens")
    return f"{answer.usage.prompt_tokens} tokens"


EMBEDDINGS = (Case("vectors", "embedding", vectors, calls=2), Case("usage", "embedding", usage))
