"""Which model a live conversation is with: named in the query, or by Gemini's first message."""

from __future__ import annotations

import json
from typing import Any

from workbench.errors import InvalidInput
from workbench.gateway.native.target import Target


def model_in_query(target: Target) -> str:
    """Return the model that a Realtime URL names; raises InvalidInput for none, or two."""
    named = {*target.values("model"), *target.values("deployment")}
    if len(named) != 1 or "" in named:
        raise InvalidInput(
            "The URL must name one model." if named else "The URL names no model.",
            hint="Connect to ...?model=NAME, for Azure ...?deployment=NAME.",
            param="model",
        )
    return named.pop()


def model_in_setup(message: str | bytes) -> str:
    """Return the model of Gemini's `setup`, by its full name; raises InvalidInput where it names none, or two."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name.lower() for name, _ in pairs}) < len(pairs):
            raise InvalidInput("The setup names something twice.", hint="Send each field once.", param="setup")
        return dict(pairs)

    try:
        told = json.loads(message, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The first message is no JSON.", hint="Begin with `setup`.", param="setup") from error
    setup = told.get("setup") if isinstance(told, dict) else None
    model = setup.get("model") if isinstance(setup, dict) else None
    if not isinstance(model, str) or not model:
        raise InvalidInput("The first message names no model.", hint="Begin with `setup.model`.", param="setup.model")
    return model
