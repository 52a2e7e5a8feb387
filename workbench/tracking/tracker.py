"""The tracker: every verb that the rooms above may use on MLflow, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.tracking.artifacts import Artifacts
from workbench.tracking.assessment_store import AssessmentStore, Source, Value
from workbench.tracking.prompt_registry import PromptRegistry, Reuse
from workbench.tracking.prompt_version import Lineage, PromptVersion, Template
from workbench.tracking.run import Run, RunRecord
from workbench.tracking.run_store import RunStore
from workbench.tracking.store import Store
from workbench.tracking.trace import Trace, TraceRecord
from workbench.tracking.trace_store import TraceStore


class Tracker:
    """One open MLflow store. Safe to share between threads; other processes open the same store beside it."""

    def __init__(self, uri: str, home: Path) -> None:
        self._store = Store(uri, home)
        self._prompts = PromptRegistry(self._store)
        self._artifacts = Artifacts(self._store)
        self._traces = TraceStore(self._store)
        self._runs = RunStore(self._store, artifacts=self._artifacts, traces=self._traces)
        self._assessments = AssessmentStore(self._store)

    def __repr__(self) -> str:
        return f"Tracker({self.uri!r})"

    @property
    def uri(self) -> str:
        """MLflow's tracking URI; give it to `mlflow.set_tracking_uri` to use MLflow itself on the same store."""
        return self._store.uri

    @property
    def home(self) -> Path:
        """Folder of what stands beside the store on this machine."""
        return self._store.home

    def reach(self) -> None:
        """Raise TrackingError within seconds if the tracking server does not answer; a file is always reached."""
        self._store.reach()

    # -- prompts

    def register_prompt(
        self,
        name: str,
        template: Template,
        *,
        message: str | None = None,
        tags: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        lineage: Lineage | None = None,
        reuse: Reuse = "latest",
    ) -> PromptVersion:
        """Register a version; if it is identical to the latest one (or to `any`), that one is returned."""
        return self._prompts.register(
            name,
            template,
            message=message,
            tags=tags,
            parameters=parameters,
            schema=schema,
            form=form,
            lineage=lineage,
            reuse=reuse,
        )

    def get_prompt(self, name: str, version: int | None = None, *, alias: str | None = None) -> PromptVersion:
        """Return a version by number or by MLflow's alias, by default the latest; raises NotFound."""
        return self._prompts.get(name, version=version, alias=alias)

    def list_prompts(self) -> list[str]:
        """Return the names of all prompts."""
        return self._prompts.names()

    def list_prompt_versions(self, name: str) -> list[PromptVersion]:
        """Return all versions of a prompt, newest first."""
        return self._prompts.versions(name)

    def tag_prompt(self, name: str, tags: Mapping[str, str | None], version: int | None = None) -> None:
        """Set tags of a prompt, or of one version; None takes a tag away."""
        self._prompts.set_tags(name, tags, version)

    def prompt_tags(self, name: str) -> dict[str, str]:
        """Return the tags of a prompt as a whole; those of a version stand in `PromptVersion.tags`."""
        return self._prompts.tags(name)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let MLflow's alias point to a version. What is live is the gateway's word: see `prompts.promote`."""
        self._prompts.set_alias(name, alias, version)

    def aliases(self, name: str) -> dict[str, int]:
        """Return MLflow's aliases of a prompt."""
        return self._prompts.aliases(name)

    # -- runs

    def write_run(self, record: RunRecord) -> str:
        """Write a whole run and return its id."""
        return self._runs.write(record)

    def run(self, run_id: str) -> Run:
        """Return one run; raises NotFound."""
        return self._runs.run(run_id)

    def runs(self, experiment: str) -> pd.DataFrame:
        """Return the runs of an experiment as a table, newest first."""
        return self._runs.frame(experiment)

    def find_runs(self, experiment: str, *, tags: dict[str, str] | None = None) -> list[Run]:
        """Return the runs of an experiment that have all these tags, newest first."""
        return self._runs.search(experiment, tags=tags)

    def experiments(self) -> pd.DataFrame:
        """Return all experiments."""
        return self._runs.experiments()

    def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run that was written."""
        self._runs.tag(run_id, tags)

    def runs_tagged(self, key: str, value: str) -> list[Run]:
        """Return the runs of any experiment that have this tag."""
        return self._runs.tagged(key, value)

    def table(self, run_id: str, name: str = "cells.json", *, images: bool = False) -> pd.DataFrame:
        """Read a table of a run; an image cell is a reference, or its bytes with `images=True`."""
        return self._artifacts.table(run_id, name, images=images)

    def artifact(self, run_id: str, path: str) -> bytes:
        """Read one artefact of a run; raises NotFound."""
        return self._artifacts.file(run_id, path)

    def artifacts(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of a run's artefacts in one folder."""
        return self._artifacts.paths(run_id, folder)

    # -- traces

    def write_traces(
        self, records: Sequence[TraceRecord], run_id: str | None = None, *, experiment: str | None = None
    ) -> list[str]:
        """Write traces to a run, or to an experiment by name, and return their ids; they are durable at return."""
        experiment_id = self._runs.experiment_id(experiment or (self.run(run_id).experiment if run_id else "Default"))
        return self._traces.write(records, experiment_id=experiment_id, run_id=run_id)

    def traces(self, run_id: str) -> list[Trace]:
        """Return the traces of a run, oldest first."""
        return self._traces.of_run(run_id)

    def trace(self, trace_id: str) -> Trace:
        """Return one trace; raises NotFound."""
        return self._traces.trace(trace_id)

    def trace_of_request(self, request_id: str) -> str | None:
        """Return the id of the trace of a gateway call, or None."""
        return self._traces.of_request(request_id, list(self.experiments()["experiment_id"]))

    def image(self, reference: str) -> bytes:
        """Return the bytes of an image of a trace, by its reference in `Trace.images`."""
        return self._traces.image(reference)

    # -- assessments

    def rate(
        self,
        trace_id: str,
        name: str,
        value: Value,
        *,
        source: Source,
        source_id: str,
        rationale: str | None = None,
        about: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an assessment and return its id; a second word of the same source on the same question overrides."""
        return self._assessments.rate(
            trace_id,
            name,
            value,
            source=source,
            source_id=source_id,
            rationale=rationale,
            about=about,
            metadata=metadata,
        )

    def ratings(self, trace_ids: Sequence[str]) -> pd.DataFrame:
        """Return all valid feedback on some traces, oldest first."""
        return self._assessments.of_traces(trace_ids)

    def expect(
        self, trace_id: str, name: str, value: Any, *, source_id: str, metadata: Mapping[str, str] | None = None
    ) -> str:
        """Write what a person says should have come out, as an expectation, and return its id; another overrides."""
        return self._assessments.expect(trace_id, name, value, source_id=source_id, metadata=metadata)

    def corrections(self, trace_ids: Sequence[str]) -> pd.DataFrame:
        """Return all valid expectations of some traces, oldest first, with the columns of `ratings`."""
        return self._assessments.corrections(trace_ids)

    def expectations(self, trace_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what is expected of each trace that says so, by trace and name."""
        return self._assessments.expectations(trace_ids)

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the writers' lock over several calls, where the second depends on what the first found.

        A tracking server has no such lock: there it orders the threads of this process alone.
        """
        return self._store.exclusive()
