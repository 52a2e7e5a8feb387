"""Datasets: examples in order, with a hash of their content."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench.errors import InvalidInput, NotFound
from workbench.evidence import checking, files, snapshots, sources, splitting
from workbench.evidence.canonical import content_hash
from workbench.evidence.example import Example
from workbench.evidence.rows import Columns, RowReader, as_expectations

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

_SHOWN = 5
_HASH_SHOWN = 12


@dataclass(frozen=True)
class Dataset:
    """Examples in order, each with its own id."""

    examples: tuple[Example, ...]
    """The examples."""
    name: str = "dataset"
    """What tables and MLflow call it."""
    origin: str = field(default="", compare=False)
    """Where it came from, in a few words: a file's name, a run."""
    version: int | None = field(default=None, compare=False)
    """Number of the saved version that it is; None: it was not saved."""
    hash: str = field(init=False, compare=False, default="")
    """sha256 of the content, whatever the order: equal hashes mean equal examples."""

    def __post_init__(self) -> None:
        counts = Counter(example.id for example in self.examples)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise InvalidInput(
                f"The dataset {self.name!r} holds the id {twice[0]!r} more than once.",
                hint="Give each example an id of its own, or none: it is then made from the inputs.",
            )
        content = sorted(
            [e.id, content_hash([e.inputs, e.expected]), *([e.group] if e.group is not None else [])]
            for e in self.examples
        )
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
        group: str | None = None,
        origin: str = "",
    ) -> Dataset:
        """Make a dataset of a list of dicts (or Examples).

        A row is `{"inputs": {...}, "expected": ...}` (or MLflow's `expectations`), or flat: then `expected` names its
        column or columns (default: a column called `expected`, if there is one), `inputs` those that go into the prompt
        (default: all others). `id` names the column of the ids; rows without one are named after a hash of their
        inputs. `group` names the column of what several rows share (a customer, a document): see `Example.group`. What
        else a row with `inputs` holds is kept as its `source`. Raises InvalidInput where a row does not fit.
        """
        reader = RowReader(name, Columns(inputs, expected, id, group))
        return cls(tuple(reader.read(number, row) for number, row in enumerate(rows, start=1)), name, origin)

    @classmethod
    def from_jsonl(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
        group: str | None = None,
    ) -> Dataset:
        """Read a file with one JSON object a line; see `from_rows` for what a row may be.

        `workbench audit dataset` writes such files of real calls.
        """
        file = Path(path)
        rows = files.read_jsonl(file)
        return cls._from_file(file, rows, name, inputs=inputs, expected=expected, id=id, group=group)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
        group: str | None = None,
        delimiter: str = ",",
    ) -> Dataset:
        """Read a CSV file whose first line names the columns; values are text as it stands, an empty cell is None.

        Raises InvalidInput that names the line, NotFound.
        """
        file = Path(path)
        rows = files.read_csv(file, delimiter=delimiter)
        return cls._from_file(file, rows, name, inputs=inputs, expected=expected, id=id, group=group)

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
        group: str | None = None,
    ) -> Dataset:
        """Read a Parquet file with the types that it has; raises InvalidInput, NotFound."""
        file = Path(path)
        rows = files.read_parquet(file)
        return cls._from_file(file, rows, name, inputs=inputs, expected=expected, id=id, group=group)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        name: str = "dataset",
        inputs: Sequence[str] | None = None,
        expected: str | Sequence[str] | None = None,
        id: str = "id",  # noqa: A002 - the name of the column
        group: str | None = None,
    ) -> Dataset:
        """Make a dataset of a DataFrame, one example a row; see `from_rows` for what the columns may be."""
        rows: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items()} for row in frame.to_dict(orient="records")
        ]
        return cls.from_rows(
            rows, name=name, inputs=inputs, expected=expected, id=id, group=group, origin="a DataFrame"
        )

    @classmethod
    def from_traces(
        cls,
        run_id: str,
        *,
        name: str = "traces",
        expected: sources.ExpectedOfTrace = "expectations",
        tracker: Tracker | None = None,
    ) -> Dataset:
        """Make a dataset of the traces of an MLflow run that ended well, one example a trace, equal inputs once.

        What is expected are the trace's `expectations` (corrections of people among them), what came out (`outputs`),
        or nothing (None). Raises NotFound where the run has no such trace.
        """
        return cls(*sources.of_traces(run_id, name=name, expected=expected, tracker=tracker))

    @classmethod
    def from_calls(
        cls,
        calls: Sequence[Mapping[str, Any]],
        *,
        gateway: Gateway,
        name: str = "calls",
    ) -> Dataset:
        """Make a dataset of chats that a gateway recorded, given their ledger rows (`Gateway.calls`), oldest first.

        An example's inputs are `messages` and the last `question`; expected is the answer that came. Calls that failed
        and those of which nothing was kept are left out; raises NotFound where nothing was kept of any.
        """
        return cls(*sources.of_calls(calls, gateway=gateway, name=name))

    @classmethod
    def load(
        cls,
        name: str,
        version: int | None = None,
        *,
        digest: str | None = None,
        tracker: Tracker | None = None,
    ) -> Dataset:
        """Return a saved version (default: the latest), or the one whose hash begins with `digest`.

        Raises NotFound, and IntegrityError if its content is no longer what was saved.
        """
        found = snapshots.find(name, version, digest=digest, tracker=tracker)
        read = cls.from_rows(found.rows, name=name, origin=found.origin)
        snapshots.check_intact(found, read.hash)
        return replace(read, version=found.version)

    def save(self, *, note: str = "", tracker: Tracker | None = None) -> Dataset:
        """Keep it in MLflow as the next version of its name, and return it with the number.

        What was saved before with the same content makes no new version. `note` says what changed.
        """
        version = snapshots.save(
            self.name,
            [example.as_row() for example in self.examples],
            digest=self.hash,
            origin=self.origin,
            note=note,
            tracker=tracker,
        )
        return replace(self, version=version)

    @staticmethod
    def versions(name: str | None = None, *, tracker: Tracker | None = None) -> pd.DataFrame:
        """Return what was saved, newest first: name, version, examples, hash, saved_at, saved_by, origin, note."""
        return snapshots.table(name, tracker=tracker)

    def split(self, *, seed: int = 0, near: float | None = checking.NEAR, **shares: float) -> dict[str, Dataset]:
        """Cut it into parts, such as `split(train=0.6, test=0.4)`; shares are of the examples and sum to at most 1.

        Examples of one group stay in one part, and so do near-duplicates (`near`: Jaccard similarity of their texts
        from which they count as such; None: not looked for): else the one part would give the other away. Which
        examples go where follows from their content and the seed, not from their order. Raises InvalidInput where a
        part would be empty.
        """
        places = splitting.split(self.examples, shares, seed=seed, near=near)
        return {
            part: Dataset(tuple(self.examples[place] for place in chosen), f"{self.name}/{part}", self.origin)
            for part, chosen in places.items()
        }

    def check(
        self, *, against: Dataset | None = None, prompts: Sequence[str] = (), near: float = checking.NEAR
    ) -> checking.DatasetCheck:
        """Look for what makes figures lie: duplicates and near-duplicates, answers that contradict one another.

        Also, examples that stand in `against` too (train and test), groups that stand in both, and inputs that stand in
        `prompts` (texts of templates and few-shot examples). `near` is the Jaccard similarity of two texts from which
        they are near-duplicates.
        """
        other = against.examples if against is not None else ()
        return checking.check(self.examples, against=other, prompts=prompts, near=near)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the examples as JSON; `from_rows` reads them back."""
        return [example.as_row() for example in self.examples]

    def to_mlflow(self) -> list[dict[str, Any]]:
        """Return rows of `inputs` and `expectations`, as `mlflow.genai.evaluate` takes them."""
        return [{"inputs": dict(e.inputs), "expectations": as_expectations(e.expected)} for e in self.examples]

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame: `id`, `inputs`, `expected`, and `group` and `source` where any example has one."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        columns = ["id", "inputs", "expected"]
        columns += [each for each in ("group", "source") if any(getattr(e, each) is not None for e in self.examples)]
        rows = [[getattr(example, column) for column in columns] for example in self.examples]
        return pd.DataFrame(rows, columns=columns)

    def head(self, count: int) -> Dataset:
        """Return the first examples."""
        return self[:count]

    @classmethod
    def _from_file(cls, file: Path, rows: Sequence[Mapping[str, Any]], name: str | None, **columns: Any) -> Dataset:
        return cls.from_rows(rows, name=name or file.stem, origin=f"file {file.name}", **columns)

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
            return Dataset(self.examples[which], self.name, self.origin)
        if isinstance(which, int):
            return self.examples[which]
        found = next((example for example in self.examples if example.id == which), None)
        if found is None:
            raise NotFound(f"The dataset {self.name!r} has no example {which!r}.", hint="`.to_frame()` lists them.")
        return found

    def _told(self) -> str:
        groups = len({example.group for example in self.examples if example.group is not None})
        version = f"v{self.version}, " if self.version is not None else ""
        return f"{version}{len(self)} examples{f' of {groups} groups' if groups else ''}"

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self._told()}, {self.hash[:_HASH_SHOWN]})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_cell(e.id)}</td><td>{_cell(e.inputs)}</td><td>{_cell(e.expected)}</td></tr>"
            for e in self.examples[:_SHOWN]
        )
        more = f"<p>... and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        return (
            f"<p><b>{html.escape(self.name)}</b>: {self._told()}, hash <code>{self.hash[:_HASH_SHOWN]}</code></p>"
            f"<table><tr><th>id</th><th>inputs</th><th>expected</th></tr>{rows}</table>{more}"
        )


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return html.escape(text if len(text) <= 200 else text[:197] + "...")
