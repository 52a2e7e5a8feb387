"""Datasets: examples in order, with a hash of their content."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench.errors import InvalidInput, NotFound
from workbench.evidence.canonical import content_hash, plain
from workbench.evidence.example import Example

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5
_ID_LENGTH = 12


@dataclass(frozen=True)
class Dataset:
    """Examples in order, each with its own id."""

    examples: tuple[Example, ...]
    """The examples."""
    name: str = "dataset"
    """What tables and MLflow call it."""
    hash: str = field(init=False, compare=False, default="")
    """sha256 of the content, whatever the order: equal hashes mean equal examples."""

    def __post_init__(self) -> None:
        ids = [example.id for example in self.examples]
        if twice := sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []:
            raise InvalidInput(
                f"The dataset {self.name!r} holds the id {twice[0]!r} more than once.",
                hint="Give each example an id of its own, or none: it is then made from the inputs.",
            )
        content = sorted([e.id, content_hash([e.inputs, e.expected])] for e in self.examples)
        object.__setattr__(self, "hash", content_hash(content))

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Mapping[str, Any] | Example],
        *,
        name: str = "dataset",
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
    ) -> Dataset:
        """Make a dataset of a list of dicts (or Examples).

        A row is `{"inputs": {...}, "expected": ...}`, or flat: then `expected` names its column or columns (default: a
        column called `expected`, if there is one), `inputs` those that go into the prompt (default: all others). `id`
        names the column of the ids; rows without one are named after a hash of their inputs.
        Raises InvalidInput where a row does not fit.
        """
        made: list[Example] = []
        seen: dict[str, int] = {}
        for number, row in enumerate(rows, start=1):
            if isinstance(row, Example):
                made.append(row)
                continue
            if not isinstance(row, Mapping):
                raise InvalidInput(f"Row {number} of {name!r} is a {type(row).__name__}; expected a dict.")
            taken, wanted = _split(row, f"Row {number} of {name!r}", inputs, expected, id)
            given = row.get(id)
            if given is None or given != given:  # noqa: PLR0124 - NaN, an empty cell of a DataFrame
                given = content_hash(plain(taken, where=f"Row {number} of {name!r}: inputs"))[:_ID_LENGTH]
                seen[given] = seen.get(given, 0) + 1
                given += f"-{seen[given]}" if seen[given] > 1 else ""
            made.append(Example(str(given), taken, wanted))
        return cls(tuple(made), name)

    @classmethod
    def from_jsonl(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
    ) -> Dataset:
        """Read a file with one JSON object a line; see `from_rows` for what a row may be."""
        path = Path(path)
        rows: list[Mapping[str, Any]] = []
        try:
            lines = path.read_text("utf-8").split("\n")
        except OSError as error:
            raise NotFound(f"The dataset {path} can't be read: {error.strerror}.") from error
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InvalidInput(f"{path.name}:{number} is not JSON: {error}.", hint="One object a line.") from error
        return cls.from_rows(rows, name=name or path.stem, inputs=inputs, expected=expected, id=id)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        name: str = "dataset",
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
    ) -> Dataset:
        """Make a dataset of a DataFrame, one example a row; see `from_rows` for what the columns may be."""
        rows: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items()} for row in frame.to_dict(orient="records")
        ]
        return cls.from_rows(rows, name=name, inputs=inputs, expected=expected, id=id)

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame with the columns `id`, `inputs` and `expected`."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        rows = [(e.id, e.inputs, e.expected) for e in self.examples]
        return pd.DataFrame(rows, columns=["id", "inputs", "expected"])

    def head(self, count: int) -> Dataset:
        """Return the first examples."""
        return Dataset(self.examples[:count], self.name)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @overload
    def __getitem__(self, which: int | str) -> Example: ...
    @overload
    def __getitem__(self, which: slice) -> Dataset: ...
    def __getitem__(self, which: int | str | slice) -> Example | Dataset:
        """Return an example by its place or id, or a part of the dataset by a slice."""
        if isinstance(which, slice):
            return Dataset(self.examples[which], self.name)
        if isinstance(which, int):
            return self.examples[which]
        found = next((example for example in self.examples if example.id == which), None)
        if found is None:
            raise NotFound(f"The dataset {self.name!r} has no example {which!r}.", hint="`.to_frame()` lists them.")
        return found

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} examples, {self.hash[:_ID_LENGTH]})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_cell(e.id)}</td><td>{_cell(e.inputs)}</td><td>{_cell(e.expected)}</td></tr>"
            for e in self.examples[:_SHOWN]
        )
        more = f"<p>... and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        return (
            f"<p><b>{html.escape(self.name)}</b>: {len(self)} examples, hash <code>{self.hash[:_ID_LENGTH]}</code></p>"
            f"<table><tr><th>id</th><th>inputs</th><th>expected</th></tr>{rows}</table>{more}"
        )


def _split(
    row: Mapping[str, Any],
    where: str,
    inputs: Sequence[str] | None,
    expected: str | Sequence[str] | None,
    id_column: str,
) -> tuple[Mapping[str, Any], Any]:
    """Return a row's inputs and what is expected."""
    if inputs is None and isinstance(row.get("inputs"), Mapping):
        return row["inputs"], row.get(expected if isinstance(expected, str) else "expected")
    wanted = [expected] if isinstance(expected, str) else list(expected or (["expected"] if "expected" in row else []))
    taken = list(inputs) if inputs is not None else [key for key in row if key not in (*wanted, id_column)]
    if missing := [key for key in (*taken, *wanted) if key not in row]:
        raise InvalidInput(f"{where} has no {missing[0]!r}.", hint=f"It has {', '.join(map(repr, row))}.")
    if not taken:
        raise InvalidInput(f"{where} has no inputs.", hint='Write {"inputs": {...}, "expected": ...}.')
    answer = row[wanted[0]] if len(wanted) == 1 else {key: row[key] for key in wanted} if wanted else None
    return {key: row[key] for key in taken}, answer


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return html.escape(text if len(text) <= 200 else text[:197] + "...")
