"""Files and vector stores that a prompt names: their ids are opened, and the call goes where they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.unified.objects.kinds import renamed

if TYPE_CHECKING:
    from workbench.gateway.routing.models import Model
    from workbench.gateway.unified.objects.desk import Opening
    from workbench.gateway.unified.question import Question

FIELDS = ("messages", "input", "tools", "prompt")
"""Fields of a call in which files and stores are named; a prompt's variables may be files."""
_MAY_NAME = re.compile(rb"file_id|store_id|\\u00[2-7]")
"""Names of the fields, or letters of them in another spelling."""


def may_name(raw: msgspec.Raw) -> bool:
    """Tell whether a piece of JSON may name what is kept at a provider; exact where it says no."""
    return _MAY_NAME.search(raw) is not None


def open_references(question: Question, opening: Opening) -> None:
    """Replace the ids in a prompt by the provider's own; raises NotFound for one that is not the caller's."""
    for name in FIELDS:
        raw = question.fields.get(name)
        if raw is not None and may_name(raw):
            value = renamed(msgspec.json.decode(raw), opening)
            if opening.provider is not None:
                question.fields[name] = msgspec.Raw(msgspec.json.encode(value))


def label_at(model: Model, provider: str, *, first: str | None = None) -> str:
    """Return the label of a model's deployment at a provider, of several `first` if it is among them."""
    labels = [deployment.label for deployment in model.deployments if deployment.provider == provider]
    if not labels:
        raise InvalidInput(
            f"Model {model.name!r} is not served by {provider!r}, which keeps what the request names.",
            hint="Name a model of that provider.",
            param="model",
        )
    return first if first in labels else labels[0]
