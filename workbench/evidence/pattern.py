"""Whether an output has a form that a regular expression tells."""

from __future__ import annotations

import re

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of


def regex_match(pattern: str, *, whole: bool = False, ignore_case: bool = False, name: str = "regex_match") -> Scorer:
    """Score 1 if a regular expression is found in the output, or with `whole` is all of it (ends aside), else 0.

    The note is what was found. Raises InvalidInput where the pattern is none, before anything is paid.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise InvalidInput(f"{pattern!r} is not a regular expression: {error}.", hint="Write it as r'...'.") from error

    def score(output: Output, example: Example) -> Score:
        del example
        if output.text is None:
            return NO_TEXT
        found = compiled.fullmatch(output.text.strip()) if whole else compiled.search(output.text)
        return Score(0.0, "not found") if found is None else Score(1.0, f"found {found[0][:80]!r}")

    return Scorer(name, score, identity=identity_of("regex_match", pattern=pattern, whole=whole, fold=ignore_case))
