"""Lineage: which version came from which, made by whom and by what, and which runs and promotions used it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from workbench.errors import NotFound, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.evidence import PROMPT, VERSION

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

COLUMNS = (
    *("version", "parent", "origin", "made_by", "created_at", "message", "hash", "intact", "tags"),
    *("runs", "published", "live"),
)


def lineage(name: str, *, gateway: Gateway | None = None, tracker: Tracker | None = None) -> pd.DataFrame:
    """Return a row for each version of a prompt, newest first.

    `parent` is what it was made of, `origin` what made it (`hand`, `import`, `few-shot`, `optimiser`; None where it was
    not told); `runs` are the ids of the MLflow runs that it answered in, `published` how often it was published,
    `live` the aliases that it is live under now. Where no gateway answers, the last two are None and a warning says
    so. Raises NotFound.
    """
    import pandas as pd  # noqa: PLC0415 - an application that loads prompts needs none

    tracker = tracker or default_tracker()
    runs: dict[str, list[str]] = defaultdict(list)
    versions = tracker.list_prompt_versions(name)
    for run in tracker.runs_tagged(PROMPT, name):
        runs[run.tags.get(VERSION, "")].append(run.run_id)
    records = _records(name, gateway)
    rows: list[dict[str, Any]] = []
    for each in versions:
        told = each.lineage
        mine = None if records is None else [record for record in records if int(record["version"]) == each.version]
        rows.append(
            {
                "version": each.version,
                "parent": told.parent if told else None,
                "origin": told.origin if told else None,
                "made_by": told.made_by if told else None,
                "created_at": each.created_at,
                "message": each.message,
                "hash": each.hash,
                "intact": each.intact,
                "tags": dict(each.tags),
                "runs": runs.get(str(each.version), []),
                "published": None if mine is None else len(mine),
                "live": None if mine is None else [record["alias"] for record in mine if record["live"]],
            }
        )
    found = pd.DataFrame(rows, columns=list(COLUMNS), dtype="object")  # None stays None
    return found.astype({"version": "int64", "intact": "bool"})


def _records(name: str, gateway: Gateway | None) -> list[dict[str, Any]] | None:
    """Return all publications of a prompt, each with whether it is live; None where they can't be asked for."""
    found: list[dict[str, Any]] = []
    try:
        gateway = gateway if gateway is not None else default_gateway()
        for live in gateway.live_prompts():
            if live["name"] == name:
                records = gateway.history(name, live["alias"])
                found += [{**record, "live": number == 0} for number, record in enumerate(records)]
    except NotFound:
        return found
    except WorkbenchError as error:
        warnings.warn(f"What was published of {name} is not told: {error.message}", stacklevel=3)
        return None
    return found
