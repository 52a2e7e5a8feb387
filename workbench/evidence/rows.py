"""Rows of a table as examples: which part goes in, what is expected, who is who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence.canonical import content_hash, plain
from workbench.evidence.example import Example

_ID_LENGTH = 12
_EXPECTED = ("expected", "expectations")
"""Where a row keeps the right answer; the second is MLflow's word."""
_RESPONSE = "expected_response"
"""MLflow's name for an answer that is expected as a whole."""
_OURS = ("id", "inputs", *_EXPECTED, "group", "source")


@dataclass(frozen=True)
class Columns:
    """Which column of a row is what."""

    inputs: Sequence[str] | None = None
    """Those that go into the prompt; None: all that are nothing else."""
    expected: str | Sequence[str] | None = None
    """The right answer, or its named parts; None: `expected` or `expectations`, where there is one."""
    id: str = "id"
    """The example's name."""
    group: str | None = None
    """Whom or what it is about."""


@dataclass
class RowReader:
    """Make examples of rows, one after the other; rows without an id are named after a hash of their inputs."""

    dataset: str
    """Name of the dataset, for messages."""
    columns: Columns
    """Which column is what."""
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self, number: int, row: object) -> Example:
        """Return the example of a row; raises InvalidInput that names the row by its number."""
        if isinstance(row, Example):
            return row
        where = f"Row {number} of {self.dataset!r}"
        if not isinstance(row, Mapping):
            raise InvalidInput(f"{where} is a {type(row).__name__}; expected a dict.")
        nested = self.columns.inputs is None and isinstance(row.get("inputs"), Mapping)
        taken, wanted = self._nested(row) if nested else self._flat(row, where)
        given = row.get(self.columns.id)
        if _missing(given):
            given = content_hash(plain(taken, where=f"{where}: inputs"))[:_ID_LENGTH]
            self._seen[given] = self._seen.get(given, 0) + 1
            given += f"-{self._seen[given]}" if self._seen[given] > 1 else ""
        group = row.get(self.columns.group or ("group" if nested else ""))
        source = self._source(row) if nested else None
        return Example(str(given), taken, wanted, None if _missing(group) else str(group), source)

    def _nested(self, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
        named = self.columns.expected
        if isinstance(named, str):
            return row["inputs"], row.get(named)
        found = next((row[name] for name in _EXPECTED if row.get(name) is not None), None)
        return row["inputs"], as_expected(found)

    def _source(self, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what a row says beside the example: nothing of it is lost."""
        said = row.get("source")
        known = {*_OURS, self.columns.id, self.columns.expected, self.columns.group}
        more = {str(key): value for key, value in row.items() if key not in known}
        return {**(said if isinstance(said, Mapping) else {} if said is None else {"source": said}), **more} or None

    def _flat(self, row: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], Any]:
        columns = self.columns
        if isinstance(columns.expected, str):
            wanted = [columns.expected]
        else:
            wanted = list(columns.expected or [name for name in _EXPECTED if name in row][:1])
        others = (*wanted, columns.id, columns.group)
        taken = list(columns.inputs) if columns.inputs is not None else [key for key in row if key not in others]
        needed = (*taken, *wanted, *([columns.group] if columns.group else []))
        if missing := [key for key in needed if key not in row]:
            raise InvalidInput(f"{where} has no {missing[0]!r}.", hint=f"It has {', '.join(map(repr, row))}.")
        if not taken:
            raise InvalidInput(f"{where} has no inputs.", hint='Write {"inputs": {...}, "expected": ...}.')
        answer = row[wanted[0]] if len(wanted) == 1 else {key: row[key] for key in wanted} if wanted else None
        return {key: row[key] for key in taken}, as_expected(answer) if wanted == ["expectations"] else answer


def as_expected(value: Any) -> Any:
    """Return MLflow's expectations as ours: a response that is expected as a whole is a text."""
    if isinstance(value, Mapping) and set(value) == {_RESPONSE}:
        return value[_RESPONSE]
    return value if value != {} else None


def as_expectations(expected: Any) -> dict[str, Any]:
    """Return what is expected in MLflow's form."""
    if expected is None:
        return {}
    return dict(expected) if isinstance(expected, Mapping) else {_RESPONSE: expected}


def _missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN, an empty cell of a DataFrame
