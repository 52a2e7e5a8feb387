"""A review queue: what is asked of whom about which runs. MLflow keeps it, as a run of an experiment of its own.

Any app and any notebook on the same MLflow finds a queue by its link. A link's token is kept as its hash alone.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from workbench.errors import IntegrityError, NotFound, PermissionDenied
from workbench.tracking import RunRecord

if TYPE_CHECKING:
    from workbench.tracking import Run
    from workbench.tracking.tracker import Tracker

Kind = Literal["pairs", "answers"]
EXPERIMENT = "review queues"
"""The MLflow experiment that holds them."""
_FILE = "queue.json"
_MARK, _CLOSED, _LINK = "workbench.queue", "workbench.queue_closed", "workbench.link."
_DIGEST_LENGTH = 40
TOKEN_BYTES = 24
"""Random bytes of a link's token."""


@dataclass(frozen=True)
class ReviewQueue:
    """What is asked, of whom, and until when."""

    run_ids: tuple[str, ...]
    """The candidates' runs."""
    kind: Kind
    """`pairs`: which of two answers is better; `answers`: how good is this one."""
    question: str
    """What the page asks."""
    name: str
    """Name of the assessments in MLflow."""
    raters_per_item: int
    """Different people after whom an item is done."""
    again: float
    """Share of a rater's items that are shown a second time, sides swapped."""
    limit: int | None
    """Items at most; None: all."""
    seed: str = field(repr=False)
    """What orders and sides are drawn by; it never leaves the server."""
    created_by: str
    """Who shared it."""
    created_at: str
    """UTC, ISO 8601."""
    expires_at: str | None
    """UTC, ISO 8601; None: never."""
    links: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    """Whom a link is for, by the hash of its token; None: whoever has it."""
    queue_id: str = ""
    """MLflow's run that keeps it."""
    closed: bool = False
    """Whether it was closed by hand."""

    @property
    def ended(self) -> bool:
        """Whether it takes no more votes."""
        return self.closed or (
            self.expires_at is not None and datetime.now(UTC) >= datetime.fromisoformat(self.expires_at)
        )


def create(queue: ReviewQueue, raters: Sequence[str | None], *, tracker: Tracker) -> tuple[ReviewQueue, list[str]]:
    """Keep a queue and return it with a token for each rater; None stands for whoever has the link."""
    tokens = [secrets.token_urlsafe(TOKEN_BYTES) for _ in raters]
    links = {_digest(token): rater for token, rater in zip(tokens, raters, strict=True)}
    queue = replace(queue, links=links)
    fields = {key: value for key, value in asdict(queue).items() if key not in ("queue_id", "closed")}
    queue_id = tracker.write_run(
        RunRecord(
            experiment=EXPERIMENT,
            name=queue.question[:120],
            parameters={
                "question": queue.question,
                "raters_per_item": queue.raters_per_item,
                "runs": len(queue.run_ids),
            },
            tags={_MARK: queue.kind, **{_LINK + digest: "1" for digest in links}},
            files={_FILE: json.dumps(fields, ensure_ascii=False).encode()},
        )
    )
    return replace(queue, queue_id=queue_id), tokens


def by_token(token: str, *, tracker: Tracker) -> tuple[ReviewQueue, str | None]:
    """Return the queue that a link opens, and whom the link is for; raises NotFound, PermissionDenied once it ended."""
    digest = _digest(token)
    runs = tracker.runs_tagged(_LINK + digest, "1")
    if not runs:
        raise NotFound(
            "This link leads nowhere.", hint="Copy it whole, or ask who sent it for another one.", code="link_unknown"
        )
    queue = _of(runs[0], tracker)
    if queue.ended:
        raise PermissionDenied("This link has ended.", hint="Ask who sent it for another one.", code="link_expired")
    return queue, queue.links[digest]


def by_id(queue_id: str, *, tracker: Tracker) -> ReviewQueue:
    """Return a queue by its id; raises NotFound."""
    run = tracker.run(queue_id)
    if _MARK not in run.tags:
        raise NotFound(f"Run {queue_id[:8]} is no review queue.", hint="`feedback.queues()` lists them.")
    return _of(run, tracker)


def all_queues(*, tracker: Tracker) -> list[ReviewQueue]:
    """Return all queues, newest first."""
    try:
        runs = tracker.find_runs(EXPERIMENT)
    except NotFound:  # nothing was ever shared
        return []
    return [_of(run, tracker) for run in runs if run.status == "FINISHED" and _MARK in run.tags]


def close(queue_id: str, *, tracker: Tracker) -> None:
    """Let a queue take no more votes; its links end."""
    by_id(queue_id, tracker=tracker)
    tracker.tag_run(queue_id, {_CLOSED: datetime.now(UTC).isoformat()})


def _of(run: Run, tracker: Tracker) -> ReviewQueue:
    return replace(_kept(run.run_id, tracker), closed=_CLOSED in run.tags)


@lru_cache(maxsize=256)
def _kept(queue_id: str, tracker: Tracker) -> ReviewQueue:
    """Read what was written once."""
    try:
        fields = json.loads(tracker.artifact(queue_id, _FILE))
        fields.pop("gold", None)  # what earlier versions wrote
        return ReviewQueue(**{**fields, "run_ids": tuple(fields["run_ids"])}, queue_id=queue_id)
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(f"The review queue {queue_id[:8]} can't be read.") from error


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:_DIGEST_LENGTH]
