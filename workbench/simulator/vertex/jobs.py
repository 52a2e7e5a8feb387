"""Batch prediction jobs and tuning jobs: they end at once, and their results stand in storage that is not simulated.

One that is called `pending` stays unfinished.
"""

from __future__ import annotations

from typing import Any

from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Refused, Reply, Whole

TRAINED_TOKENS = 500
"""What every tuning job is trained on."""
_ENDED, _RUNNING = "JOB_STATE_SUCCEEDED", "JOB_STATE_RUNNING"
_MADE = "2026-01-01T00:00:00.123456789Z"


def create_batch(exchange: Exchange) -> Reply:
    """Make a batch prediction job."""
    body = exchange.body
    job = {"model": body["model"], "completionStats": {"successfulCount": "2"}}
    return Whole(body=_keep(exchange, "batchPredictionJobs", body["displayName"], job))


def create_tuning(exchange: Exchange) -> Reply:
    """Make a tuning job."""
    body = exchange.body
    if not body.get("baseModel"):
        raise Refused(400, "Base model is not specified.")
    statistics = {"totalBillableTokenCount": str(TRAINED_TOKENS), "tuningDatasetExampleCount": "5"}
    job = {"baseModel": body["baseModel"], "tuningDataStats": {"supervisedTuningDataStats": statistics}}
    used = (Used(trained=TRAINED_TOKENS, tier="training", model=body["baseModel"]),)
    return Whole(body=_keep(exchange, "tuningJobs", body.get("tunedModelDisplayName", ""), job), used=used)


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a job."""
    return Whole(body=exchange.account.find("vertex job", exchange.params["id"])["job"])


def _keep(exchange: Exchange, collection: str, title: str, told: dict[str, Any]) -> dict[str, Any]:
    number = exchange.account.new_id("1000")
    place = f"projects/{exchange.params['project']}/locations/{exchange.params['location']}"
    job = {"name": f"{place}/{collection}/{number}", "displayName": title, "createTime": _MADE}
    job |= {"state": _RUNNING} if title == "pending" else {"state": _ENDED, "endTime": _MADE, **told}
    exchange.account.keep("vertex job", {"id": number, "job": job})
    return job
