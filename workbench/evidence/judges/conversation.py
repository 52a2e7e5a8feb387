"""The conversation of every judge: ask for one JSON object, read it strictly, ask once more where it can't be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.evidence.question import Question, Reply

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL)
_QUOTED = 1000
_SHOWN = 80
PARAMETERS: dict[str, Any] = {"temperature": 0, "max_tokens": 512}
"""Parameters of a judge's call, unless others are given; None takes one out, for models that refuse it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a judge told in the end."""

    verdict: Any
    """What `read` made of its answer; None where no answer could be read."""
    note: str
    """Its reason, or why there is no verdict."""
    cost_usd: float | None
    """US dollars of all calls; None if the price of one is unknown."""


def converse(
    system: str,
    material: str,
    schema: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], Any],
    *,
    model: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Generator[Question, Reply, Told]:
    """Ask a judge, at most twice, and return what it told.

    `read` makes a verdict of the object and raises ValueError with the reason where it is none. Only an answer that is
    the object, alone or as one fenced block, is read: in prose an object may be quoted from the judged text.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}, {"role": "user", "content": material}]
    costs: list[float | None] = []
    for _ in range(2):
        reply = yield Question(tuple(messages), model, arguments(schema, parameters), dict(tags))
        costs.append(reply.cost_usd)
        cost = None if None in costs else sum(filter(None, costs))
        try:
            found = _object(reply.text)
            return Told(read(found), str(found.get("reason") or ""), cost)
        except ValueError as error:
            why = str(error)
        if reply.text:
            messages.append({"role": "assistant", "content": reply.text[:_QUOTED]})
        messages.append({"role": "user", "content": f"That is no verdict: {why}. Answer with the JSON object alone."})
    said = reply.text if len(reply.text) <= _SHOWN else reply.text[:_SHOWN] + "..."
    return Told(None, f"the judge gave no verdict: {why}; asked again, it said {said!r}", cost)


def arguments(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a judge's call: its schema, the defaults, and what was given."""
    response_format = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    given = {**PARAMETERS, "response_format": response_format, **parameters}
    return {name: value for name, value in given.items() if value is not None}


def object_schema(verdict: str, kind: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with a reason and then a verdict: who gives reasons first judges better."""
    properties = {"reason": {"type": "string"}, verdict: dict(kind)}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _object(text: str) -> dict[str, Any]:
    fence = _FENCE.fullmatch(text.strip())
    try:
        value = json.loads(fence[1] if fence else text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not a JSON object") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value
