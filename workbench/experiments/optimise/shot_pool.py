"""Which examples may be shown, and how alike they are: the ground that few-shot selection chooses from."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example
from workbench.prompts import FewShot, Prompt
from workbench.prompts.rendering import names_of
from workbench.wire.few_shot import PLACE, as_messages, question_of

Embed = Callable[[Sequence[str]], Any]
"""From texts to their vectors, [n, d]."""
_SEALED = ("test", "holdout", "validation")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pool:
    """The examples that may be chosen."""

    examples: tuple[Example, ...]
    """In the order of the dataset."""
    left_out: Mapping[str, int]
    """How many were left out, by why."""


def make_pool(prompt: Prompt, examples: Dataset, others: Mapping[str, Dataset | None], max_tokens: int | None) -> Pool:
    """Return what may be shown: examples with an answer that stand, also nearly, in none of the other datasets.

    Raises InvalidInput for a dataset that is a part to be tested on, or where nothing is left.
    """
    part = examples.name.rpartition("/")[2]
    if part in _SEALED:
        raise InvalidInput(
            f"The dataset {examples.name!r} is there to test on: examples of it can't be shown.",
            hint="Choose from the training part: `parts = dataset.split(train=..., validation=..., test=...)`.",
            param="examples",
        )
    left_out: Counter[str] = Counter()
    banned: dict[str, str] = {}
    for name, other in others.items():
        if other is not None:
            for problem in examples.check(against=other).problems:
                if problem.kind in ("leak", "near-leak", "group in both"):
                    banned.setdefault(problem.example, f"stands in {name}")
    kept, seen = [], set()
    for example in examples:
        why = banned.get(example.id) or _unfit(prompt, example, max_tokens)
        if why is None and example.inputs_hash in seen:
            why = "stands there twice"
        if why is None:
            kept.append(example)
            seen.add(example.inputs_hash)
        else:
            left_out[why] += 1
    if not kept:
        told = ", ".join(f"{count} x {why}" for why, count in left_out.items()) or "there are none"
        raise InvalidInput(f"No example can be shown: {told}.", param="examples")
    return Pool(tuple(kept), dict(left_out))


def as_shot(prompt: Prompt, example: Example) -> dict[str, Any]:
    """Return an example as it is shown: the inputs that the question takes, and the answer."""
    wanted = _question(prompt)
    return {"inputs": {name: example.inputs[name] for name in wanted}, "output": example.expected}


def text_of(prompt: Prompt, example: Example) -> str:
    """Return what an example asks, as one text."""
    values = [example.inputs.get(name) for name in _question(prompt)]
    return " ".join(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)


def unit_vectors(texts: Sequence[str], embed: Embed | None) -> NDArray[np.float64]:
    """Return a vector of length 1 for each text, [n, d]: by an encoder, else by its words, the rare ones counting most.

    The words' weights are tf-idf (Salton & Buckley 1988, Information Processing & Management 24:513).
    """
    if embed is not None:
        vectors = np.asarray(embed(list(texts)), dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise InvalidInput(f"The encoder gave {vectors.shape} for {len(texts)} texts.", param="embed")
    else:
        counts = [Counter(_WORD.findall(text.casefold())) for text in texts]
        words = {word: place for place, word in enumerate(sorted({word for each in counts for word in each}))}
        vectors = np.zeros((len(texts), max(1, len(words))))
        for row, each in enumerate(counts):
            for word, count in each.items():
                vectors[row, words[word]] = 1 + np.log(count)
        vectors *= np.log((1 + len(texts)) / (1 + (vectors > 0).sum(axis=0))) + 1
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: NDArray[np.float64] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return made


def _question(prompt: Prompt) -> list[str]:
    """Return the variables that an example fills in: those of the question, or all where a place is marked."""
    messages = as_messages(prompt.template)
    at = question_of(messages)
    whole = [message["content"] for message in messages]
    if PLACE in names_of(whole, prompt.format):
        return [name for name in names_of(whole, prompt.format) if name != PLACE]
    if at is None:
        raise InvalidInput(f"{prompt.label} has no user message and no {{{{few_shot}}}}, so examples have no place.")
    return list(names_of(messages[at]["content"], prompt.format))


def _unfit(prompt: Prompt, example: Example, max_tokens: int | None) -> str | None:
    if example.expected is None:
        return "has no expected answer"
    if any(name not in example.inputs for name in _question(prompt)):
        return "lacks an input of the question"
    if max_tokens is not None and FewShot([as_shot(prompt, example)]).tokens > max_tokens:
        return "is longer than max_tokens"
    return None
