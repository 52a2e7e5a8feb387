"""The parts of a sentence that a source must hold word for word: quantities, names, and whether it denies.

Similarity forgives what must not be forgiven: "14 days" is near "30 days", "can" is near "can't".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_UNIT = re.compile(r"[^\S\n]?([^\W\d_]+)")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_NAME = re.compile(r"[^\W\d_][\w&-]*")
_FLAT = "no not never none nobody nothing neither nor cannot"
_DENIALS = frozenset(_FLAT.split())
_LIMITING = "without except unless unable impossible excluded"
_LIMITATIONS = frozenset(_LIMITING.split())
_COUNTING = """
two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty
"""
_TENS = "thirty forty fifty sixty seventy eighty ninety hundred"
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_COUNTING.split(), start=2)}
_NUMBER_WORDS |= {word: f"{value}0" for value, word in enumerate(_TENS.split(), start=3)}
_NO_UNITS = frozenset(["to", "and", "or", "of", "in", "is", "for", "from", "at", "by", "on", "until", "through"])
_SYMBOLS = {"$": "dollar", "\N{EURO SIGN}": "euro", "\N{POUND SIGN}": "pound", "%": "percent"}
_CALENDAR = """
january february march april june july august september october november december
monday tuesday wednesday thursday friday saturday sunday
"""
_MONTHS_AND_DAYS = frozenset(_CALENDAR.split())


@dataclass(frozen=True)
class Facts:
    """What may not be paraphrased."""

    numbers: frozenset[str]
    """Numbers in digits; number words from two to twenty and the tens up to a hundred count as numbers."""
    quantities: frozenset[tuple[str, str]]
    """Numbers with the word that follows, without a plural s: `("30", "day")`. Signs of currencies are words."""
    names: frozenset[str]
    """Words in capitals inside the sentence, month and day names included, lower-cased."""
    denies: bool
    """Whether the sentence denies something: `not`, `never`, `can't`."""
    limits: bool
    """Whether it excludes something: `without`, `except`, `unless`."""
    words: frozenset[str]
    """Every word, lower-cased, hyphenated ones whole and in parts."""


def facts(text: str) -> Facts:
    """Read the facts of one sentence."""
    words = [word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for word in _WORD.findall(text)]
    numbers = {_plain_number(found) for found in _NUMBER.findall(text)} | {number for number, _ in _counted(text)}
    whole = {word.lower() for word in _NAME.findall(text)}
    return Facts(
        numbers=frozenset(numbers),
        quantities=frozenset(_quantities(text)),
        names=frozenset(_names(text)),
        denies=any(word in _DENIALS or word.endswith("n't") for word in words),
        limits=any(word in _LIMITATIONS for word in words),
        words=frozenset(whole | set(words)),
    )


def _quantities(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for match in _NUMBER.finditer(text):
        number = _plain_number(match[0])
        before, after = text[: match.start()].rstrip()[-1:], text[match.end() : match.end() + 1]
        if sign := _SYMBOLS.get(before) or _SYMBOLS.get(after):
            found.append((number, sign))
        elif (unit := _UNIT.match(text, match.end())) and unit[1].lower() not in _NO_UNITS:
            found.append((number, _singular(unit[1].lower())))
    for number, end in _counted(text):
        if (unit := _UNIT.match(text, end)) and unit[1].lower() not in _NO_UNITS:
            found.append((number, _singular(unit[1].lower())))
    return found


def _counted(text: str) -> list[tuple[str, int]]:
    """Return numbers that are written as words, and where they end; `two-step` holds none."""
    words = [word for word in _WORD.finditer(text) if word[0].lower() in _NUMBER_WORDS]
    alone = [
        word for word in words if "-" not in (text[word.start() - 1 : word.start()], text[word.end() : word.end() + 1])
    ]
    return [(_NUMBER_WORDS[word[0].lower()], word.end()) for word in alone]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _plain_number(found: str) -> str:
    """Drop thousands separators and idle zeros: `1,200` is `1200`; `3,50` and `3.50` are `3.5`."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", found):
        found = found.replace(",", "")
    found = found.replace(",", ".")
    return found.rstrip("0").rstrip(".") if re.fullmatch(r"\d+\.\d+", found) else found.lstrip("0") or "0"


def _names(text: str) -> set[str]:
    names: set[str] = set()
    for match in _NAME.finditer(text):
        word = match[0]
        before = text[: match.start()].rstrip()
        opens = not before or before[-1] in ".!?:;\"'([\N{LEFT DOUBLE QUOTATION MARK}"
        known = word.lower() in _MONTHS_AND_DAYS
        shouted = len(word) > 1 and word.isupper()
        if known or shouted or (word[0].isupper() and not opens and word != "I"):
            names.add(word.lower())
    return names
