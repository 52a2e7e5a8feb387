"""Find what can't work before anything is paid: candidates, data, scorers, variables, numbers."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.cells.candidate import Candidate


def as_dataset(dataset: Any) -> Dataset:
    """Return what was given as a dataset; raises InvalidInput."""
    if isinstance(dataset, Dataset):
        return dataset
    if hasattr(dataset, "to_dict"):
        return Dataset.from_frame(dataset)
    return Dataset.from_rows(dataset)


def check_client(gateway: object) -> None:
    """Raise InvalidInput for a client that can't be used."""
    if inspect.iscoroutinefunction(getattr(gateway, "chat", None)):
        raise InvalidInput("An experiment has an event loop of its own.", hint="Pass a Gateway, not an AsyncGateway.")


def check_parts(
    candidates: Sequence[Candidate], data: Dataset, scorers: Sequence[Scorer], *, repeats: int, concurrency: int = 1
) -> None:
    """Raise InvalidInput for what can't work together; every prompt is rendered for every example."""
    if not candidates or not len(data):
        raise InvalidInput("An experiment needs at least one candidate and one example.")
    if repeats < 1 or concurrency < 1:
        raise InvalidInput(f"Repeats and concurrency are at least 1, not {repeats} and {concurrency}.")
    for scorer in scorers:
        given: object = scorer
        if not isinstance(given, Scorer):
            label = getattr(given, "__name__", repr(given))
            raise InvalidInput(
                f"{label} is not a scorer.", hint=f"Call it: `{label}()`, or wrap it: `scorer({label})`."
            )
    for kind, names in (("candidate", [c.name for c in candidates]), ("scorer", [s.name for s in scorers])):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InvalidInput(f"Two {kind}s are named {twice[0]!r}.", hint="Give each a name of its own.")
    for candidate in candidates:
        for example in data if candidate.prompt is not None else ():
            _check_render(candidate, example)


def _check_render(candidate: Candidate, example: Example) -> None:
    assert candidate.prompt is not None
    missing = [name for name in candidate.prompt.required if name not in example.inputs]
    if missing:
        near = get_close_matches(missing[0], example.inputs, n=1)
        meant = f"Did you mean {{{{{near[0]}}}}}? " if near else ""
        raise InvalidInput(
            f"The prompt of {candidate.name!r} asks for {', '.join(f'{{{{{name}}}}}' for name in missing)}, which is"
            f" missing in example {example.id!r}.",
            hint=f"{meant}Its inputs: {', '.join(example.inputs) or 'none'}.",
        )
    candidate.messages(example.inputs)
