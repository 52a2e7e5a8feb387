"""The gateway's own paths, as rows: what to send, by which right, how to read the answer. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from workbench.client import answers
from workbench.client import models as choice
from workbench.client.models import Advice, Wish
from workbench.client.report_desk import frame
from workbench.client.results import PublishedPrompt
from workbench.wire.tags import write_tags

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True)
class Ask(Generic[T]):
    """One request to a path of the gateway's own."""

    path: str
    """From the gateway's root."""
    read: Callable[[Any], T]
    """Makes the result of the JSON answer."""
    method: Literal["get", "post"] = "get"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    as_identity: bool = False
    """Whether it needs an identity token rather than a key."""
    once: bool = False
    """Whether it must not be sent again when the connection breaks."""


def me() -> Ask[dict[str, Any]]:
    """Ask what the caller's key may do."""
    return Ask("/me", dict)


MOST_CALLS = 1000
"""Ledger rows that the gateway gives at once."""


def calls(
    request_id: str | None, *, tags: Mapping[str, str] | None, since: str | None, limit: int, cursor: str | None
) -> Ask[tuple[list[dict[str, Any]], str | None]]:
    """Ask for the caller's own ledger rows, and for the place where the next ones begin."""
    told = {"request_id": request_id, "since": since, "cursor": cursor, "limit": str(min(limit, MOST_CALLS))}
    query = {name: value for name, value in told.items() if value}
    if tags:
        query["tags"] = write_tags(tags)
    return Ask("/me/calls", lambda body: (answers.read_rows(body), body.get("next")), query=query)


def call_body(request_id: str) -> Ask[dict[str, Any]]:
    """Ask what was said in one of the caller's own calls."""
    return Ask(f"/me/calls/{quote(request_id, safe='')}/body", dict)


def own_usage() -> Ask[dict[str, Any]]:
    """Ask what the caller's own calls used and cost."""
    return Ask("/me/usage", dict)


def models(wish: Wish) -> Ask[pd.DataFrame]:
    """Ask for the models of the catalogue that fit."""
    return Ask("/v1/models", lambda body: answers.read_models(body, wish))


def recommend(wish: Wish) -> Ask[Advice]:
    """Ask for the catalogue, to be told which of its models to take."""
    return Ask("/v1/models", lambda body: choice.recommend(answers.read_rows(body), wish))


def feedback(request_id: str, value: Any, comment: str | None) -> Ask[dict[str, Any]]:
    """Tell what became of one of the caller's calls."""
    return Ask("/v1/feedback", dict, method="post", body={"request_id": request_id, "value": value, "comment": comment})


def feedback_since(after: int, limit: int) -> Ask[list[dict[str, Any]]]:
    """Ask for what all callers said, oldest first, after a row of that number."""
    return Ask("/v1/feedback", answers.read_rows, query={"after": str(after), "limit": str(limit)}, as_identity=True)


def usage(by: str, *, since: str | None, until: str | None, which: Mapping[str, str]) -> Ask[pd.DataFrame]:
    """Ask what all callers' calls used and cost."""
    times = {"since": since, "until": until}
    query = {**which, **{name: time for name, time in times.items() if time is not None}, "group_by": by}
    return Ask("/admin/v1/usage", frame, query=query, as_identity=True)


def published(name: str, alias: str) -> Ask[PublishedPrompt]:
    """Ask for the prompt that is live under an alias."""
    return Ask(prompt_path(name, alias), answers.read_published)


def live_prompts() -> Ask[list[dict[str, Any]]]:
    """Ask for all prompts that are live under an alias."""
    return Ask("/v1/prompts", answers.read_rows)


def history(name: str, alias: str) -> Ask[list[dict[str, Any]]]:
    """Ask for all that was published under an alias, newest first."""
    return Ask(f"{prompt_path(name, alias)}/history", answers.read_rows)


def publish(
    name: str,
    version: int,
    template: str | Sequence[Mapping[str, Any]],
    *,
    alias: str,
    parameters: Mapping[str, Any] | None,
    schema: Mapping[str, Any] | None,
    evidence: Mapping[str, Any] | None,
    reason: str,
    form: Mapping[str, Any] | None = None,
    expects: int | None = None,
) -> Ask[dict[str, Any]]:
    """Publish a version under an alias."""
    body = {
        "version": version,
        "template": template if isinstance(template, str) else [dict(message) for message in template],
        "parameters": dict(parameters or {}),
        "schema": None if schema is None else dict(schema),
        **({"form": dict(form)} if form else {}),
        "evidence": dict(evidence or {}),
        "reason": reason,
        **({} if expects is None else {"expects": expects}),
    }
    # The record is append-only: a second sending would stand in it for ever.
    return Ask(prompt_path(name, alias), dict, method="post", body=body, as_identity=True, once=True)


def rollout(name: str, alias: str) -> Ask[dict[str, Any]]:
    """Ask how the latest rollout under an alias stands."""
    return Ask(f"{prompt_path(name, alias)}/rollout", dict)


def start_rollout(
    name: str, alias: str, *, candidate: str, plan: Mapping[str, Any] | None, reason: str
) -> Ask[dict[str, Any]]:
    """Begin to roll a candidate out."""
    body = {"candidate": candidate, "plan": dict(plan or {}), "reason": reason}
    path = f"{prompt_path(name, alias)}/rollout"
    return Ask(path, dict, method="post", body=body, as_identity=True, once=True)


def steer_rollout(name: str, alias: str, verb: str, *, reason: str) -> Ask[dict[str, Any]]:
    """Take a rollout further by hand."""
    path = f"{prompt_path(name, alias)}/rollout/{quote(verb, safe='')}"
    return Ask(path, dict, method="post", body={"reason": reason}, as_identity=True, once=True)


def prompt_path(name: str, alias: str) -> str:
    """Return the path of what is live under an alias."""
    return f"/v1/prompts/{quote(name, safe='')}@{quote(alias, safe='')}"
