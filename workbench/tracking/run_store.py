"""Runs in MLflow: a whole run is written at once, in batches, and read back."""

from __future__ import annotations

import json
import math
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.entities import Run as Logged

from workbench.errors import Conflict, NotFound
from workbench.tracking.artifacts import Artifacts
from workbench.tracking.moments import milliseconds, utc
from workbench.tracking.query import quoted
from workbench.tracking.run import Run, RunDataset, RunRecord
from workbench.tracking.store import Store
from workbench.tracking.trace_store import TraceStore

_KEY = "workbench.run_key"
_LINKED_PROMPTS = "mlflow.linkedPrompts"
_PROMPT_EXPERIMENTS = "_mlflow_experiment_ids"
_PARAM_LENGTH = 6000
"""Longest value that MLflow takes for a parameter."""
_DIGEST_LENGTH = 36
"""Longest digest of a dataset that MLflow takes; the whole hash stands in the source."""
_BATCH = 100
"""Parameters, metrics and tags that MLflow takes in one call: 100, 1,000 and 100; the least is used for all."""


class RunStore:
    """Write and read runs and experiments."""

    def __init__(self, store: Store, *, artifacts: Artifacts, traces: TraceStore) -> None:
        self._store = store
        self._artifacts = artifacts
        self._traces = traces
        self._names: dict[str, str] = {}

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment by name; it is made if it does not exist."""
        client, store = self._store.client, self._store
        with store.exclusive():
            found = store.read(lambda: client.get_experiment_by_name(name))
            if found is None:
                place = self._artifact_location(name) if store.local else None
                return str(store.write(lambda: client.create_experiment(name, artifact_location=place)))
        if found.lifecycle_stage == "deleted":
            raise Conflict(
                f"The experiment {name!r} was deleted in MLflow.", hint="Restore it there, or choose another name."
            )
        return str(found.experiment_id)

    def write(self, record: RunRecord) -> str:
        """Write a run with everything that belongs to it and return its id; it is FINISHED only when all is there."""
        client, write = self._store.client, self._store.write
        experiment = self.experiment_id(record.experiment)
        with self._store.exclusive():
            if (done := self._written_before(experiment, record.key)) is not None:
                return done
            started = milliseconds(record.started_at) or int(time.time() * 1000)
            tags = {**record.tags, **({_KEY: record.key} if record.key else {})}
            if record.prompt:
                name, version = record.prompt
                tags[_LINKED_PROMPTS] = json.dumps([{"name": name, "version": str(version)}])
            run_id: str = write(
                lambda: client.create_run(experiment, start_time=started, tags=tags, run_name=record.name)
            ).info.run_id
        self._log(run_id, record)
        if record.dataset:
            self._log_dataset(run_id, record.dataset)
        self._artifacts.write(run_id, tables=record.tables, figures=record.figures, files=record.files)
        self._traces.write(record.traces, experiment_id=experiment, run_id=run_id)
        if record.prompt:
            self._show_prompt_in(experiment, record.prompt[0])
        # Not client.set_terminated: it prints a link, and it knows no end but now.
        ended = milliseconds(record.ended_at) or int(time.time() * 1000)
        status = RunStatus.from_string(record.status)
        write(lambda: self._store.backend.update_run_info(run_id, status, ended, record.name))
        return run_id

    def run(self, run_id: str) -> Run:
        """Return one run; raises NotFound."""
        return self._ours(self._store.read(lambda: self._store.client.get_run(run_id)))

    def search(self, experiment: str, *, tags: dict[str, str] | None = None) -> list[Run]:
        """Return the runs of an experiment, newest first, that have all these tags."""
        client = self._store.client
        found = self._store.read(lambda: client.get_experiment_by_name(experiment))
        if found is None:
            names = ", ".join(repr(each) for each in self.experiments()["name"]) or "none"
            raise NotFound(f"No experiment named {experiment!r}. Known: {names}.")
        query = " and ".join(f"tags.`{key}` = {quoted(value)}" for key, value in (tags or {}).items())
        ids = [found.experiment_id]
        return [
            self._ours(each) for each in self._store.pages(lambda at: client.search_runs(ids, query, page_token=at))
        ]

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run that was written."""
        entries = [RunTag(key, value) for key, value in tags.items()]
        for start in range(0, len(entries), _BATCH):
            some = entries[start : start + _BATCH]
            self._store.write(lambda part=some: self._store.client.log_batch(run_id, tags=part))  # type: ignore[misc]

    def tagged(self, key: str, value: str) -> list[Run]:
        """Return the runs of any experiment that have this tag."""
        client = self._store.client
        ids = list(self.experiments()["experiment_id"])
        query = f"tags.`{key}` = {quoted(value)}"
        return [
            self._ours(each) for each in self._store.pages(lambda at: client.search_runs(ids, query, page_token=at))
        ]

    def frame(self, experiment: str) -> pd.DataFrame:
        """Return the runs of an experiment as a table: a row a run, `params.*`, `metrics.*` and `tags.*` as columns."""
        rows = [
            {
                "run_id": run.run_id,
                "name": run.name,
                "status": run.status,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                **{f"params.{k}": v for k, v in run.parameters.items()},
                **{f"metrics.{k}": v for k, v in run.metrics.items()},
                **{f"tags.{k}": v for k, v in run.tags.items()},
            }
            for run in self.search(experiment)
        ]
        return pd.DataFrame(rows, columns=None if rows else ["run_id", "name", "status", "started_at", "ended_at"])

    def experiments(self) -> pd.DataFrame:
        """Return all experiments, the latest first: `experiment_id`, `name`, `created_at`, `updated_at`."""
        found = self._store.pages(
            lambda token: self._store.client.search_experiments(ViewType.ACTIVE_ONLY, page_token=token)
        )
        rows = [(each.experiment_id, each.name, utc(each.creation_time), utc(each.last_update_time)) for each in found]
        return pd.DataFrame(rows, columns=["experiment_id", "name", "created_at", "updated_at"])

    def _log(self, run_id: str, record: RunRecord) -> None:
        now = int(time.time() * 1000)
        params = [Param(key, _shortened(value)) for key, value in record.parameters.items()]
        metrics = [
            Metric(key, float(value), now, 0)
            for key, value in record.metrics.items()
            if value is not None and math.isfinite(value)  # MLflow would make 1.8e308 of infinity
        ]
        for start in range(0, max(len(params), len(metrics)), _BATCH):
            chunk = slice(start, start + _BATCH)
            self._store.write(
                lambda at=chunk: self._store.client.log_batch(run_id, metrics=metrics[at], params=params[at])  # type: ignore[misc]
            )

    def _log_dataset(self, run_id: str, dataset: RunDataset) -> None:
        whole = {"hash": dataset.hash, "num_rows": dataset.rows}
        shown = Dataset(
            dataset.name, dataset.hash[:_DIGEST_LENGTH], "workbench", json.dumps(whole), profile=json.dumps(whole)
        )
        given = DatasetInput(shown, [InputTag("mlflow.data.context", "evaluation")])
        self._store.write(lambda: self._store.client.log_inputs(run_id, [given]))

    def _written_before(self, experiment: str, key: str | None) -> str | None:
        if key is None:
            return None
        client = self._store.client
        query = f"tags.`{_KEY}` = {quoted(key)}"
        done: str | None = None
        for found in self._store.pages(lambda token: client.search_runs([experiment], query, page_token=token)):
            if found.info.status == "RUNNING":
                self._store.write(lambda run_id=found.info.run_id: client.delete_run(run_id))  # type: ignore[misc]
            else:
                done = found.info.run_id
        return done

    def _show_prompt_in(self, experiment: str, prompt: str) -> None:
        """Let the experiment's page list the prompt."""
        client = self._store.client
        with self._store.exclusive():
            found = self._store.read(lambda: client.get_prompt(prompt))
            if found is None:
                return
            ids = [each for each in found.tags.get(_PROMPT_EXPERIMENTS, "").split(",") if each]
            if experiment not in ids:
                value = f",{','.join([*ids, experiment])},"
                self._store.write(lambda: client.set_prompt_tag(prompt, _PROMPT_EXPERIMENTS, value))

    def _artifact_location(self, name: str) -> str:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "experiment"
        return (self._store.artifact_root / f"{slug}-{secrets.token_hex(4)}").as_uri()

    def _ours(self, logged: Logged) -> Run:
        info, data = logged.info, logged.data
        experiment = info.experiment_id
        if experiment not in self._names:
            self._names[experiment] = self._store.read(lambda: self._store.client.get_experiment(experiment)).name
        return Run(
            run_id=info.run_id,
            experiment=self._names[experiment],
            name=info.run_name or info.run_id,
            status=info.status,
            started_at=utc(info.start_time) or datetime.fromtimestamp(0, UTC),
            ended_at=utc(info.end_time),
            parameters=dict(data.params),
            metrics=dict(data.metrics),
            tags={key: value for key, value in data.tags.items() if not key.startswith("mlflow.")},
        )


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _PARAM_LENGTH else text[: _PARAM_LENGTH - 1] + "…"
