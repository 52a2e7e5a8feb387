"""Splits: parts of a dataset of which none gives another away."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.nearness import near_pairs, text_of


def split(
    examples: Sequence[Example], shares: Mapping[str, float], *, seed: int, near: float | None
) -> dict[str, list[int]]:
    """Return the places of each part's examples, in their order.

    What belongs together is dealt out whole: the largest bundles first, each to the part that lacks most of its share,
    ties in an order that content and seed decide.
    """
    _check(examples, shares)
    bundles = _bundles(examples, near)
    draw = {_first(examples, bundle): _drawn(seed, _first(examples, bundle)) for bundle in bundles}
    bundles.sort(key=lambda bundle: (-len(bundle), draw[_first(examples, bundle)]))
    total = len(examples)
    rest = 1 - sum(shares.values())
    wanted = {name: share * total for name, share in shares.items()}
    if rest > 1e-9:
        wanted[""] = rest * total  # what no part asks for
    dealt: dict[str, list[int]] = {name: [] for name in wanted}
    for bundle in bundles:
        part = max(wanted, key=lambda name: wanted[name] - len(dealt[name]))
        dealt[part] += bundle
    if empty := [name for name in shares if not dealt[name]]:
        raise InvalidInput(
            f"The part {empty[0]!r} would be empty: {total} examples are {len(bundles)} bundles that stay together.",
            hint="Ask for fewer parts or larger shares, or pass near=None where near-duplicates may be parted.",
        )
    return {name: sorted(dealt[name]) for name in shares}


def _check(examples: Sequence[Example], shares: Mapping[str, float]) -> None:
    if not shares:
        raise InvalidInput("A split needs parts.", hint="split(train=0.6, test=0.4)")
    for name, share in shares.items():
        if not (isinstance(share, (int, float)) and 0 < share <= 1):
            raise InvalidInput(f"The share of {name!r} is {share!r}; expected a part of 1.", param=name)
    if not math.fsum(shares.values()) <= 1 + 1e-9:
        raise InvalidInput(f"The shares sum to {math.fsum(shares.values()):g}, which is more than 1.")
    if not examples:
        raise InvalidInput("There is nothing to split: the dataset is empty.")


def _bundles(examples: Sequence[Example], near: float | None) -> list[list[int]]:
    """Return the places that stay together: of one group, of equal inputs, or of nearly equal ones."""
    head = list(range(len(examples)))

    def find(place: int) -> int:
        while head[place] != place:
            head[place] = head[head[place]]
            place = head[place]
        return place

    first: dict[tuple[str, str], int] = {}
    for place, example in enumerate(examples):
        shared = [("inputs", example.inputs_hash), *([("group", example.group)] if example.group is not None else [])]
        for name in shared:
            head[find(place)] = find(first.setdefault(name, place))
    if near is not None:
        for one, other, _ in near_pairs([text_of(example) for example in examples], bar=near):
            head[find(one)] = find(other)
    bundles: dict[int, list[int]] = {}
    for place in range(len(examples)):
        bundles.setdefault(find(place), []).append(place)
    return list(bundles.values())


def _first(examples: Sequence[Example], bundle: Sequence[int]) -> str:
    """Return a name of a bundle that does not hang on the order of the dataset."""
    return min(examples[place].id for place in bundle)


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}|{name}".encode("utf-8", "surrogatepass")).digest()
