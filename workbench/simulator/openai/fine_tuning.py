"""Fine-tuning jobs: they succeed at once, and their model answers chat; metadata may leave one unfinished."""

from __future__ import annotations

from workbench.simulator.answer import words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.batches import PENDING
from workbench.simulator.openai.listing import page
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.state import NOW

JOB = "fine-tuning job"
"""The kind under which jobs are kept."""


def create(exchange: Exchange) -> Reply:
    """Make a job, and its model."""
    body, account = exchange.body, exchange.account
    try:
        training = account.read(body["training_file"])
    except Refused as refused:
        raise Refused(400, f"{body['training_file']} does not exist.", code="invalid_training_file") from refused
    name = account.new_id("ftjob-")
    pending = body.get("metadata") == PENDING
    made = f"ft:{body['model']}:simulated:{body.get('suffix') or ''}:{name.removeprefix('ftjob-')}"
    job = {
        "id": name,
        "object": "fine_tuning.job",
        "created_at": NOW,
        "error": None,
        "estimated_finish": None,
        "fine_tuned_model": None if pending else made,
        "finished_at": None if pending else NOW,
        "hyperparameters": {"n_epochs": 1, "batch_size": 1, "learning_rate_multiplier": 1.0},
        "integrations": [],
        "metadata": body.get("metadata"),
        "method": body.get("method"),
        "model": body["model"],
        "organization_id": "org-simulated",
        "result_files": [],
        "seed": body.get("seed") or 0,
        "status": "running" if pending else "succeeded",
        "trained_tokens": None if pending else words_of(training.decode("utf-8", "replace")),
        "training_file": body["training_file"],
        "user_provided_suffix": body.get("suffix"),
        "validation_file": body.get("validation_file"),
    }
    used = () if pending else (Used(tier="training", model=body["model"], trained=job["trained_tokens"]),)
    return Whole(body=account.keep(JOB, job), used=used)


def listed(exchange: Exchange) -> Reply:
    """Answer with a page of the jobs."""
    return Whole(body=page(exchange, exchange.account.all(JOB)))


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a job."""
    return Whole(body=exchange.account.find(JOB, exchange.params["id"]))


def cancel(exchange: Exchange) -> Reply:
    """Cancel a job that runs."""
    job = exchange.account.find(JOB, exchange.params["id"])
    if job["status"] != "running":
        raise Refused(400, f"Job {job['id']} has already {job['status']}.")
    job |= {"status": "cancelled", "finished_at": NOW}
    return Whole(body=job)


def events(exchange: Exchange) -> Reply:
    """Answer with what happened in a job, the latest first."""
    job = exchange.account.find(JOB, exchange.params["id"])
    told = ["Created fine-tuning job", f"The job is {job['status']}"]
    things = [
        {
            "id": f"ftevent-{job['id']}-{number}",
            "object": "fine_tuning.job.event",
            "created_at": NOW,
            "level": "info",
            "message": message,
            "data": None,
            "type": "message",
        }
        for number, message in enumerate(told)
    ]
    return Whole(body=page(exchange, list(reversed(things))))


def checkpoints(exchange: Exchange) -> Reply:
    """Answer with the checkpoints of a job: there are none."""
    exchange.account.find(JOB, exchange.params["id"])
    return Whole(body=page(exchange, []))
