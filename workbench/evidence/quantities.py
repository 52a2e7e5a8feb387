"""Numbers in texts, and whether they are near enough to the expected one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Score, Scorer, identity_of

Which = Literal["only", "first", "last", "any"]
Mark = Literal[".", ","]
_GROUPS = {".": "[,'\u2019\u00a0\u202f]", ",": "[.'\u2019\u00a0\u202f]"}


def numbers_in(text: str, *, decimal_mark: Mark = ".") -> list[Decimal]:
    """Return the numbers of a text in order, exactly: `$1,299.00`, `-3`, `.5`, `2e-3`, `12%` (as 12).

    `decimal_mark="," ` reads `1.299,00`. Digits within a word (`v2`, `E4711`) are no number.
    """
    mark, group = re.escape(decimal_mark), _GROUPS[decimal_mark]
    pattern = (
        rf"(?<!\w)(?<!\d{mark})(?P<sign>(?<![\w.,])[+\-\u2212])?"
        rf"(?P<whole>\d{{1,3}}(?:{group}\d{{3}})+(?!\d)|\d+)?(?P<rest>{mark}\d+)?(?P<power>[eE][+-]?\d{{1,3}}(?!\w))?"
    )
    found: list[Decimal] = []
    for match in re.finditer(pattern, text):
        if match["whole"] is None and match["rest"] is None:
            continue
        whole = re.sub(r"\D", "", match["whole"] or "0")
        sign = "-" if match["sign"] in ("-", "\u2212") else ""
        found.append(Decimal(f"{sign}{whole}.{(match['rest'] or '.0')[1:]}{match['power'] or ''}"))
    return found


def numeric_match(
    *,
    absolute: float = 0.0,
    relative: float = 0.0,
    which: Which = "last",
    key: str | None = None,
    decimal_mark: Mark = ".",
    name: str = "numeric_match",
) -> Scorer:
    """Score 1 if a number of the output lies within a tolerance of the expected one, else 0.

    It may differ by `absolute`, or by the share `relative` of the expected number, whichever is more; the ends count
    as near. `which` number of the output is meant: the `last` (models conclude with their answer), the `first`, the
    `only` one (several are wrong), or `any`. An output without a number is wrong; an expected text without exactly one
    is no ground for a score. Reckoned in decimals: 0.3 is within 0.1 of 0.2.
    """
    if absolute < 0 or relative < 0:
        raise InvalidInput(f"A tolerance is 0 or more, not {min(absolute, relative)}.")
    if which not in ("only", "first", "last", "any"):
        raise InvalidInput(f"which={which!r} is unknown.", hint="Use 'last', 'first', 'only' or 'any'.")

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        expected = example.expected_text(key)
        if expected is None:
            return NOTHING_EXPECTED
        wanted = numbers_in(expected, decimal_mark=decimal_mark)
        if len(wanted) != 1:
            return Score(None, f"{len(wanted)} numbers stand in the expected {expected[:80]!r}, not one")
        found = numbers_in(output.text, decimal_mark=decimal_mark)
        if not found:
            return Score(0.0, "no number")
        if which == "only" and len(found) > 1:
            return Score(0.0, f"{len(found)} numbers instead of one")
        allowed = max(Decimal(str(absolute)), Decimal(str(relative)) * abs(wanted[0]))
        nearest = min(found, key=lambda number: abs(number - wanted[0]))
        meant = {"only": found[0], "first": found[0], "last": found[-1], "any": nearest}[which]
        good = abs(meant - wanted[0]) <= allowed
        return Score(float(good), "" if good else f"{meant} instead of {wanted[0]}")

    identity = identity_of(
        "numeric_match", absolute=absolute, relative=relative, which=which, key=key, decimal_mark=decimal_mark
    )
    return Scorer(name, score, identity=identity)
