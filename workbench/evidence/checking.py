"""What makes the figures of a dataset lie: examples that say the same, contradict, or were seen before."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.nearness import near_pairs, text_of

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.8
"""Jaccard similarity from which two texts are near-duplicates."""
_LONG_ENOUGH = 20
"""Letters from which a text that stands in a prompt is no coincidence."""
_MEANS = {
    "duplicate": "the same inputs twice: they count double",
    "near-duplicate": "nearly the same inputs twice: they are not independent",
    "contradiction": "the same inputs, but another answer is expected",
    "leak": "it stands in the other dataset too",
    "near-leak": "nearly the same stands in the other dataset",
    "group in both": "its group stands in the other dataset too",
    "in a prompt": "its inputs stand in a prompt: the answer was shown",
}


@dataclass(frozen=True)
class Problem:
    """One thing that was found."""

    kind: str
    """duplicate, near-duplicate, contradiction, leak, near-leak, group in both, in a prompt."""
    example: str
    """Id of the example."""
    other: str
    """Id of the other example, or which prompt."""
    similarity: float
    """Jaccard similarity of the texts; 1 where they are equal."""


@dataclass(frozen=True)
class DatasetCheck:
    """What a check found; true if nothing."""

    problems: tuple[Problem, ...]
    """What was found."""
    examples: int
    """How many examples were looked at."""

    @property
    def frame(self) -> pd.DataFrame:
        """A row a problem: kind, example, other, similarity."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        rows = [(p.kind, p.example, p.other, p.similarity) for p in self.problems]
        return pd.DataFrame(rows, columns=["kind", "example", "other", "similarity"])

    def __bool__(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        if not self.problems:
            return f"{self.examples} examples: nothing found."
        counts = Counter(problem.kind for problem in self.problems)
        return "\n".join(
            [f"{self.examples} examples:", *(f"  {counts[kind]} x {kind}: {_MEANS[kind]}" for kind in counts)]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self.frame.to_html(index=False, max_rows=20) if self.problems else ""
        return f"<pre>{html.escape(str(self))}</pre>{table}"


def check(
    examples: Sequence[Example], *, against: Sequence[Example], prompts: Sequence[str], near: float
) -> DatasetCheck:
    """Return what was found; see `Dataset.check`."""
    if not 0 < near <= 1:
        raise InvalidInput(f"near is {near!r}; expected a similarity above 0 and up to 1.", param="near")
    found = [*_pairs(examples, against, near), *_groups(examples, against), *_shown(examples, prompts)]
    order = list(_MEANS)
    return DatasetCheck(tuple(sorted(found, key=lambda p: (order.index(p.kind), -p.similarity))), len(examples))


def _pairs(examples: Sequence[Example], against: Sequence[Example], near: float) -> Iterator[Problem]:
    both = [*examples, *against]
    border = len(examples)
    for one, other, similarity in near_pairs([text_of(example) for example in both], bar=near):
        if one >= border:
            continue  # two of the other dataset
        a, b = both[one], both[other]
        same = a.inputs_hash == b.inputs_hash
        if other >= border:
            yield Problem("leak" if same else "near-leak", a.id, b.id, similarity)
        elif same and a.expected != b.expected:
            yield Problem("contradiction", a.id, b.id, similarity)
        else:
            yield Problem("duplicate" if same else "near-duplicate", a.id, b.id, similarity)


def _groups(examples: Sequence[Example], against: Sequence[Example]) -> Iterator[Problem]:
    theirs: dict[str, str] = {}
    for example in against:
        if example.group is not None:
            theirs.setdefault(example.group, example.id)
    for example in examples:
        if example.group in theirs:
            yield Problem("group in both", example.id, theirs[example.group], 0.0)


def _shown(examples: Sequence[Example], prompts: Sequence[str]) -> Iterator[Problem]:
    texts = [" ".join(prompt.split()).casefold() for prompt in prompts]
    for example in examples:
        own = [
            " ".join(value.split()).casefold()
            for value in example.inputs.values()
            if isinstance(value, str) and len(value.strip()) >= _LONG_ENOUGH
        ]
        for number, text in enumerate(texts, start=1):
            if any(value in text for value in own):
                yield Problem("in a prompt", example.id, f"prompt {number}", 1.0)
