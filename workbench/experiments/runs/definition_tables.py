"""The tables of a file that defines an experiment (exp.toml): their keys, and what each may be."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from workbench.settings.table import Table


class DatasetTable(Table):
    """[dataset]: a file, or a dataset that was saved."""

    file: str | None = None
    """JSONL, CSV or Parquet; relative to the definition."""
    saved: str | None = None
    """Name of a saved dataset, or `name@version`."""
    expected: str | list[str] | None = None
    """For a file: the column, or columns, of what is expected."""
    inputs: list[str] | None = None
    """For a file: the columns that go into the prompt."""
    id: str = "id"
    """For a file: the column of the ids."""
    group: str | None = None
    """For a file: the column of what several examples share."""

    @model_validator(mode="after")
    def _one_source(self) -> DatasetTable:
        if (self.file is None) == (self.saved is None):
            raise ValueError("expected one of file and saved")
        return self


class CandidateTable(Table):
    """[[candidates]]: a prompt, with each of its models and each point of its grid."""

    name: str | None = Field(default=None, min_length=1)
    """Its name; default: the prompt's. Models and points of the grid are added to it where there are several."""
    prompt: str | None = None
    """A registered prompt: `name`, `name@3` or `name@production`."""
    file: str | None = None
    """A prompt in a file, relative to the definition; a draft, which can be compared but not promoted."""
    model: str | None = None
    """The model; default: the one among the prompt's parameters."""
    models: list[str] = Field(default_factory=list)
    """Instead of `model`: several, a candidate each."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the call; they go before those of the prompt."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Values by parameter; each combination is a candidate."""

    @model_validator(mode="after")
    def _one_prompt(self) -> CandidateTable:
        if (self.prompt is None) == (self.file is None):
            raise ValueError("expected one of prompt and file")
        if self.model is not None and self.models:
            raise ValueError("expected one of model and models")
        if twice := set(self.parameters) & set(self.grid):
            raise ValueError(f"expected {min(twice)!r} in parameters or in grid, not in both")
        return self


class ScorerTable(Table):
    """[[scorers]]: a scorer of `workbench.evidence` by name; the other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    kind: str
    """Name of the function that makes it: `exact_match`, `numeric_match` ..."""

    @property
    def options(self) -> dict[str, Any]:
        """What is passed to the function."""
        return dict(self.model_extra or {})


class GateTable(Table):
    """[gate]: what one candidate must show for the command to end with 0."""

    file: str
    """The gate's file, relative to the definition."""
    candidate: str | None = None
    """The candidate that it is about; default: the only one beside the baseline."""


class DefinitionTable(Table):
    """The whole file."""

    name: str = Field(min_length=1)
    """Name of the experiment in MLflow."""
    dataset: DatasetTable
    candidates: list[CandidateTable] = Field(min_length=1)
    scorers: list[ScorerTable] = Field(default_factory=list)
    repeats: int = Field(default=1, ge=1)
    """How often each cell is asked."""
    concurrency: int | None = Field(default=None, ge=1)
    """Calls under way at once."""
    budget_usd: float | None = Field(default=None, ge=0)
    """What the run may cost at most, in US dollars."""
    baseline: str | None = None
    """The candidate that the others are compared with; default: the first."""
    gate: GateTable | None = None
