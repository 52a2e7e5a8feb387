"""Scorers that compare texts."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.evidence.example import Example
from workbench.evidence.json_scorers import find_json, same_json
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Score, Scorer, identity_of


def exact_match(*, key: str | None = None, ignore_case: bool = False, name: str = "exact_match") -> Scorer:
    """Score 1 if the output is the expected text, spaces at its ends aside, else 0.

    Where the expected answer is a dict, the output must be JSON with exactly that content; `key` picks one text of it
    instead.
    """

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        if key is None and isinstance(example.expected, Mapping):
            found = find_json(output.text)
            if found is None:
                return Score(0.0, "not JSON")
            return Score(float(same_json(found, example.expected, ignore_case=ignore_case)))
        expected = example.expected_text(key)
        if expected is None:
            return NOTHING_EXPECTED
        return Score(float(_folded(output.text, ignore_case) == _folded(expected, ignore_case)))

    return Scorer(name, score, identity=identity_of("exact_match", key=key, fold=ignore_case))


def contains(
    text: str | None = None, *, key: str | None = None, ignore_case: bool = True, name: str = "contains"
) -> Scorer:
    """Score 1 if the output contains `text`, or else the expected text, else 0; `key` picks one of an expected dict."""

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        wanted = text if text is not None else example.expected_text(key)
        if wanted is None:
            return NOTHING_EXPECTED
        return Score(float(_folded(wanted, ignore_case) in _folded(output.text, ignore_case)))

    return Scorer(name, score, identity=identity_of("contains", text=text, key=key, fold=ignore_case))


def _folded(text: str, ignore_case: bool) -> str:
    return text.strip().casefold() if ignore_case else text.strip()
