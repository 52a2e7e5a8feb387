"""An experiment in a file (exp.toml), read as a whole: everything that is wrong in it is told before a call is made."""

from __future__ import annotations

import inspect
import itertools
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from workbench import evidence, prompts
from workbench.errors import InvalidInput, Problem, SettingsError, WorkbenchError
from workbench.evidence import Dataset, Scorer
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.runs.definition_tables import CandidateTable, DatasetTable, DefinitionTable, ScorerTable
from workbench.prompts.gate import MEASURED
from workbench.prompts.gate_file import read_gates
from workbench.prompts.gates import Gates
from workbench.prompts.prompt_file import read_prompt

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

_READERS = {".jsonl": Dataset.from_jsonl, ".csv": Dataset.from_csv, ".parquet": Dataset.from_parquet}
_MOST_CANDIDATES = 200
_REQUEST = "rules on scores; `workbench prompts request` and `gate` hold a run to the others"


@dataclass(frozen=True)
class Definition:
    """What a file defines, ready to be run."""

    name: str
    """Name of the experiment in MLflow."""
    dataset: Dataset
    """The examples."""
    candidates: tuple[Candidate, ...]
    """What is compared; the baseline stands first."""
    scorers: tuple[Scorer, ...]
    """The scorers."""
    repeats: int
    """How often each cell is asked."""
    concurrency: int | None
    """Calls under way at once; None: the runner's own."""
    budget_usd: float | None
    """What the run may cost at most; None: no bound."""
    gates: Gates | None
    """What the gated candidate must show; None: there is no gate."""
    gated: str | None
    """The candidate that the gate is about."""

    @property
    def baseline(self) -> str:
        """The candidate that the others are compared with."""
        return self.candidates[0].name


def read_definition(path: Path | str, *, gateway: Gateway | None = None, tracker: Tracker | None = None) -> Definition:
    """Return what a file defines; raises SettingsError that lists everything that is wrong, with file and key.

    Prompts and saved datasets are loaded: `gateway` and `tracker` are asked for those that the file names.
    """
    path = Path(path)
    table = _parsed(path)
    reader = _Reader(path, gateway, tracker)
    dataset = reader.dataset(table.dataset)
    candidates = [made for place, each in enumerate(table.candidates) for made in reader.candidates(each, place)]
    scorers = [made for place, each in enumerate(table.scorers) if (made := reader.scorer(each, place)) is not None]
    names = [each.name for each in candidates]
    reader.check_names(names, [each.name for each in scorers])
    baseline = table.baseline or (names[0] if names else "")
    gates = gated = None
    if table.gate is not None:
        gated = reader.gated(table, names, baseline)
        gates = reader.gates(table.gate.file)
    if gates is not None:
        reader.check_rules(gates, dataset, scorers if len(scorers) == len(table.scorers) else None)
        reader.check_gated(gates, next((each for each in candidates if each.name == gated), None), baseline)
    if table.baseline is not None and names and baseline not in names:
        reader.wrong("baseline", repr(baseline), _one_of(names))
    if reader.problems or dataset is None:
        raise SettingsError(reader.problems)
    return Definition(
        name=table.name,
        dataset=dataset,
        candidates=tuple(sorted(candidates, key=lambda each: each.name != baseline)),
        scorers=tuple(scorers),
        repeats=table.repeats,
        concurrency=table.concurrency,
        budget_usd=table.budget_usd,
        gates=gates,
        gated=gated,
    )


def read_dataset(path: Path) -> Dataset:
    """Read a dataset from a JSONL, CSV or Parquet file; raises InvalidInput, NotFound."""
    read = _READERS.get(path.suffix)
    if read is None:
        raise InvalidInput(f"{path} is no dataset: expected a file named {', '.join(f'*{each}' for each in _READERS)}.")
    return read(path)


def scorer_kinds() -> dict[str, Callable[..., Scorer]]:
    """Return what makes a scorer, by the name that a file calls it."""
    found: dict[str, Callable[..., Scorer]] = {}
    for room in (evidence, evidence.judges):
        for name in room.__all__:
            made = getattr(room, name)
            if inspect.isfunction(made) and inspect.signature(made).return_annotation in (Scorer, "Scorer"):
                found[name] = made
    return found


def _parsed(path: Path) -> DefinitionTable:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(str(path), f"can't be read: {error}", "expected a TOML file")]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Problem(str(path), f"not TOML: {error}", "expected a TOML file")]) from error
    try:
        return DefinitionTable.model_validate(tables)
    except ValidationError as error:
        from workbench.settings.problems import problems_of  # noqa: PLC0415 - only a file that is wrong needs it

        raise SettingsError(problems_of(error, DefinitionTable, place=path.name)) from error


class _Reader:
    """Makes what the tables name, and gathers what is wrong."""

    def __init__(self, path: Path, gateway: Gateway | None, tracker: Tracker | None) -> None:
        self._path = path
        self._gateway = gateway
        self._tracker = tracker
        self.problems: list[Problem] = []

    def wrong(self, key: str, found: str, expected: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(f"{self._path.name}: {key}", found, expected))

    def tried(self, key: str, found: str, action: Callable[[], Any]) -> Any:
        """Return what an action does; None where it fails, which is noted."""
        try:
            return action()
        except (WorkbenchError, TypeError, ValueError) as error:
            message, hint = (error.message, error.hint) if isinstance(error, WorkbenchError) else (str(error), None)
            self.wrong(key, f"{found!r}: {message}", hint or "expected one that can be used")
            return None

    def dataset(self, table: DatasetTable) -> Dataset | None:
        """Read the examples."""
        if table.saved is not None:
            name, _, version = table.saved.partition("@")
            if version and not version.isdecimal():
                self.wrong("dataset.saved", repr(table.saved), "expected a name, or name@version")
                return None
            number = int(version) if version else None
            found: Dataset | None = self.tried(
                "dataset.saved", table.saved, lambda: Dataset.load(name, number, tracker=self._tracker)
            )
            return found
        file = self._path.parent / str(table.file)
        read = _READERS.get(file.suffix)
        if read is None:
            self.wrong("dataset.file", repr(table.file), f"expected {', '.join(_READERS)}")
            return None
        options: dict[str, Any] = {
            "inputs": table.inputs,
            "expected": table.expected,
            "id": table.id,
            "group": table.group,
        }
        made: Dataset | None = self.tried("dataset.file", str(table.file), lambda: read(file, **options))
        if made is not None and not len(made):
            self.wrong("dataset.file", f"{table.file!r}: no examples", "expected one or more")
        return made

    def candidates(self, table: CandidateTable, place: int) -> Iterator[Candidate]:
        """Yield a candidate for each model and each point of the grid."""
        at = f"candidates[{place}]"
        prompt = self._prompt(table, at)
        if prompt is None:
            return
        base = table.name or (prompt.name if table.file else prompt.label)
        models: list[str | None] = list(table.models) or [table.model]
        points = list(itertools.product(*table.grid.values()))
        if len(models) * len(points) > _MOST_CANDIDATES:
            self.wrong(f"{at}.grid", f"{len(models) * len(points)} candidates", f"expected at most {_MOST_CANDIDATES}")
            return
        for model, point in itertools.product(models, points):
            chosen = dict(zip(table.grid, point, strict=True))
            words = [base, *([str(model)] if len(models) > 1 else []), *(f"{k}={v}" for k, v in chosen.items())]
            name, parameters = " ".join(words), {**table.parameters, **chosen}
            make = partial(Candidate, name, prompt=prompt, model=model, parameters=parameters)
            made = self.tried(at, name, make)
            if made is not None:
                yield made

    def scorer(self, table: ScorerTable, place: int) -> Scorer | None:
        """Make a scorer."""
        at, kinds = f"scorers[{place}]", scorer_kinds()
        if table.kind not in kinds:
            self.wrong(f"{at}.kind", repr(table.kind), _one_of(kinds))
            return None
        make, known = kinds[table.kind], list(inspect.signature(kinds[table.kind]).parameters)
        if unknown := [key for key in table.options if key not in known]:
            right = _one_of(known) if known else "expected no options"
            self.wrong(f"{at}.{unknown[0]}", f"no option of {table.kind}", right)
            return None
        made: Scorer | None = self.tried(at, table.kind, lambda: make(**table.options))
        return made

    def gated(self, table: DefinitionTable, names: list[str], baseline: str) -> str | None:
        """Return the candidate that the gate is about."""
        named = table.gate.candidate if table.gate else None
        others = [name for name in names if name != baseline] or names
        if named is not None and names and named not in names:
            self.wrong("gate.candidate", repr(named), _one_of(names))
        elif named is None and len(others) > 1:
            self.wrong("gate.candidate", "missing, and there are several", _one_of(others))
        return named or (others[0] if others else None)

    def gates(self, file: str) -> Gates | None:
        """Read the gate."""
        found: Gates | None = self.tried("gate.file", file, lambda: read_gates(self._path.parent / file))
        return found

    def check_rules(self, gates: Gates, dataset: Dataset | None, scorers: list[Scorer] | None) -> None:
        """Note what no run of these examples can show; `scorers` is None where not all of them are known."""
        metrics = None if scorers is None else [*(each.name for each in scorers), *MEASURED]
        judges = [each.name for each in scorers or () if each.asks and not (each.trust and each.trust.may_gate)]
        groups = [each.group for each in dataset or () if each.group is not None]
        for rule in gates.rules:
            if rule.rule == "win_rate":
                self.wrong(
                    "gate.file", "win_rate counts people's votes, and there are none yet", f"expected {_REQUEST}"
                )
                continue
            if metrics is not None and rule.metric not in metrics:
                self.wrong("gate.file", f"no scorer gives {rule.metric!r}", _one_of(metrics))
            if rule.metric in judges:
                found = f"{rule.metric!r} is a judge whose agreement with people was not measured"
                self.wrong("gate.file", found, "expected rules on other scores; such a judge may not gate")
            if dataset is not None and rule.min_examples > len(dataset):
                found = f"{rule.metric} asks for {rule.min_examples} examples, the dataset has {len(dataset)}"
                self.wrong("gate.file", found, "expected a smaller min_examples, or more examples")
            if rule.quantile is not None and len(set(groups)) < len(groups):
                found = f"a quantile of {rule.metric}, of examples that share groups"
                self.wrong("gate.file", found, "expected a mean, or one example of each group")
        if gates.preregistered:
            self.wrong("gate.file", "preregistered = true, which only a request can show", f"expected {_REQUEST}")

    def check_gated(self, gates: Gates, gated: Candidate | None, baseline: str) -> None:
        """Note a gate that is not for this candidate."""
        if gated is None:
            return
        if gates.needs_baseline and gated.name == baseline:
            found = f"{baseline!r} is what the gate's rules compare with"
            self.wrong("gate.candidate", found, "expected another candidate beside the baseline")
        prompt = gated.prompt
        if gates.prompt is not None and prompt is not None and prompt.version and prompt.name != gates.prompt:
            found = f"the gate is for {gates.prompt!r}, and {gated.name!r} is {prompt.name!r}"
            self.wrong("gate.file", found, "expected the gate of that prompt")

    def check_names(self, candidates: list[str], scorers: list[str]) -> None:
        """Note names that stand twice."""
        for key, names in (("candidates", candidates), ("scorers", scorers)):
            for name in sorted({each for each in names if names.count(each) > 1}):
                self.wrong(key, f"{name!r} stands twice", "expected a name of its own for each")

    def _prompt(self, table: CandidateTable, at: str) -> prompts.Prompt | None:
        if table.file is not None:
            file = self._path.parent / table.file
            found: prompts.Prompt | None = self.tried(f"{at}.file", table.file, lambda: read_prompt(file.stem, file))
            return found
        named: prompts.Prompt | None = self.tried(
            f"{at}.prompt",
            str(table.prompt),
            lambda: prompts.load(str(table.prompt), gateway=self._gateway, tracker=self._tracker),
        )
        return named


def _one_of(names: Any) -> str:
    known = [str(each) for each in names]
    return f"expected one of {', '.join(known)}"
