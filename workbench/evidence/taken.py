"""What an answer took, as a score: milliseconds, dollars, length.

Without a limit the figure itself is the score, without bounds, and less is better, as with the columns `latency_ms`
and `cost_usd`. With a limit the score is 1 within it and 0 beyond, and more is better, as with any share.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import Score, Scorer, identity_of

Unit = Literal["words", "characters", "tokens"]
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


def latency(*, within_ms: float | None = None, name: str = "latency") -> Scorer:
    """Score the milliseconds that the answer took (less is better), or whether they are at most `within_ms`."""
    return _taken(name, lambda output: output.latency_ms, "how long it took is unknown", "ms", most=within_ms)


def cost(*, within_usd: float | None = None, name: str = "cost") -> Scorer:
    """Score the US dollars that the answer cost (less is better), or whether they are at most `within_usd`.

    An answer whose price is unknown has no score.
    """
    return _taken(name, lambda output: output.cost_usd, "what it cost is unknown", "usd", most=within_usd)


def length(
    *, unit: Unit = "words", at_least: float | None = None, at_most: float | None = None, name: str = "length"
) -> Scorer:
    """Score the output's length (less is better), or whether it lies between `at_least` and `at_most`.

    Tokens are those that the gateway counted; without a count there is no score.
    """
    if unit not in ("words", "characters", "tokens"):
        raise InvalidInput(f"unit={unit!r} is unknown.", hint="Use 'words', 'characters' or 'tokens'.")

    def measure(output: Output) -> float | None:
        if unit == "tokens":
            return output.usage.output_tokens if output.usage is not None else None
        if output.text is None:
            return None
        return len(_WORD.findall(output.text)) if unit == "words" else len(output.text)

    return _taken(name, measure, f"it has no count of {unit}", unit, least=at_least, most=at_most)


def _taken(
    name: str,
    measure: Callable[[Output], float | None],
    unknown: str,
    unit: str,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Scorer:
    if any(limit is not None and not limit >= 0 for limit in (least, most)) or (
        least is not None and most is not None and least > most
    ):
        raise InvalidInput(f"No answer lies between {least} and {most} {unit}.")
    limited = least is not None or most is not None

    def score(output: Output, example: Example) -> Score:
        del example
        value = measure(output)
        if value is None:
            return Score(None, unknown)
        if not limited:
            return Score(float(value))
        good = (least is None or value >= least) and (most is None or value <= most)
        return Score(float(good), f"{value:g} {unit}")

    options: dict[str, Any] = {"unit": unit, "least": least, "most": most}
    return Scorer(
        name,
        score,
        bounds=(0.0, 1.0) if limited else None,
        identity=identity_of("taken", **options),
        less_is_better=not limited,
    )
