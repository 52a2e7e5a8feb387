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
_SPELLED = re.compile(r"\\u00[2-7]")
"""How a letter of a field's name may be spelled, too."""


def may_name(raw: msgspec.Raw) -> bool:
    """Tell whether a piece of JSON may name what is kept at a provider; exact where it says no."""
    text = bytes(raw).decode("latin-1")  # text is searched several times as fast as bytes are, or by a pattern
    return "file_id" in text or "store_id" in text or ("\\u00" in text and _SPELLED.search(text) is not None)


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
