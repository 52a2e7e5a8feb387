"""`/v1/moderations`: whether a text or a picture is harmful."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operation import Operation
from workbench.gateway.unified.question import Question, raw_fields


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: dict[str, Any] | None = None


class _Moderation(msgspec.Struct):
    input: str | list[str | _Part]
    model: str = "omni-moderation-latest"


_moderation = msgspec.json.Decoder(_Moderation)


def read_moderation(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of moderations; raises InvalidInput."""
    wish = decode(body, _moderation)
    if not wish.input:
        raise InvalidInput("input is empty.", hint="Send a text, or a list of texts.", param="input")
    return Question(
        operation="moderations", model=wish.model, size=len(body), fields=raw_fields(body), forwarded=forwarded
    )


MODERATIONS = Operation("/v1/moderations", "moderation", read_moderation)
