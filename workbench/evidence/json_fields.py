"""How many fields of a JSON answer are right: precision, recall and F1 over its leaves, however deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.evidence.example import Example
from workbench.evidence.json_scorers import find_json, same_json
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, NOTHING_EXPECTED, Score, Scorer, identity_of

_NAMED = 3


def json_fields_f1(
    *, fields: Sequence[str] | None = None, ignore_case: bool = True, name: str = "json_fields_f1"
) -> Scorer:
    """Score the F1 of the answer's fields against the expected ones; the note holds precision, recall and what differs.

    Every leaf counts, in nested objects and lists too: right is one that stands at the same place with the same value
    (1 is 1.0, spaces at the ends of texts aside). The order of a list does not matter: each expected element is held
    against the answer's element that fits it best and is not taken yet. An empty object or list is a leaf of its own.
    `fields` are the top-level fields that count (default: all). An answer that is not JSON is 0; JSON may stand in a
    fenced block or among other words. Nothing but an expected object, or a text that is one, is ground for a score.
    """
    chosen = None if fields is None else frozenset(fields)

    def kept(value: Any) -> Any:
        if chosen is None or not isinstance(value, Mapping):
            return value
        return {field: inner for field, inner in value.items() if field in chosen}

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        wanted = kept(find_json(example.expected) if isinstance(example.expected, str) else example.expected)
        if not isinstance(wanted, (Mapping, list)) or not wanted:
            return NOTHING_EXPECTED
        if (found := find_json(output.text)) is None:
            return Score(0.0, "not JSON")
        overlap = _held_against(kept(found), wanted, "", ignore_case=ignore_case)
        precision, recall = overlap.right / max(1, overlap.found), overlap.right / overlap.wanted
        f1 = 2 * overlap.right / (overlap.found + overlap.wanted)
        return Score(f1, f"precision {precision:.2f}, recall {recall:.2f}{_told(overlap.wrong)}")

    identity = identity_of("json_fields_f1", fields=None if fields is None else sorted(fields), fold=ignore_case)
    return Scorer(name, score, identity=identity)


@dataclass(frozen=True, slots=True)
class _Overlap:
    right: int = 0
    found: int = 0
    wanted: int = 0
    wrong: tuple[str, ...] = ()

    def __add__(self, other: _Overlap) -> _Overlap:
        return _Overlap(
            self.right + other.right,
            self.found + other.found,
            self.wanted + other.wanted,
            (self.wrong + other.wrong)[: _NAMED + 1],
        )


def _held_against(found: Any, wanted: Any, path: str, *, ignore_case: bool) -> _Overlap:
    """Count the leaves that both have alike, and those that each has."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping) and found and wanted:
        total = _Overlap()
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in found:
                total += _Overlap(wanted=_leaves(wanted[key]), wrong=(f"{inner} is missing",))
            elif key not in wanted:
                total += _Overlap(found=_leaves(found[key]), wrong=(f"{inner} is too much",))
            else:
                total += _held_against(found[key], wanted[key], inner, ignore_case=ignore_case)
        return total
    if isinstance(found, list) and isinstance(wanted, list) and found and wanted:
        return sum(_aligned(found, wanted, path, ignore_case=ignore_case), _Overlap())
    if same_json(found, wanted, ignore_case=ignore_case):
        return _Overlap(1, 1, 1)
    return _Overlap(0, _leaves(found), _leaves(wanted), (f"{path or 'it'} differs",))


def _aligned(found: list[Any], wanted: list[Any], path: str, *, ignore_case: bool) -> Iterator[_Overlap]:
    """Yield the overlap of each expected element with the best one left, then what is left over."""
    free = dict(enumerate(found))
    late: list[Any] = []
    for element in wanted:  # equal ones first: they are certain, and most lists hold nothing else
        twin = next((i for i, value in free.items() if same_json(value, element, ignore_case=ignore_case)), None)
        if twin is None:
            late.append(element)
        else:
            leaves = _leaves(free.pop(twin))
            yield _Overlap(leaves, leaves, leaves)
    for element in late:
        overlaps = {i: _held_against(value, element, f"{path}[]", ignore_case=ignore_case) for i, value in free.items()}
        best = max(overlaps, key=lambda i: overlaps[i].right, default=None)
        if best is None or not overlaps[best].right:
            yield _Overlap(wanted=_leaves(element), wrong=(f"an element of {path or 'the list'} is missing",))
        else:
            del free[best]
            yield overlaps[best]
    for value in free.values():
        yield _Overlap(found=_leaves(value), wrong=(f"an element of {path or 'the list'} is too much",))


def _leaves(value: Any) -> int:
    """Return how many leaves a value has; an empty object or list is one."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return sum(map(_leaves, inner)) or 1


def _told(wrong: Sequence[str]) -> str:
    more = ", ..." if len(wrong) > _NAMED else ""
    return f": {', '.join(wrong[:_NAMED])}{more}" if wrong else ""
