"""How a published template is meant to be filled in, checked as it comes in: what is kept can be handed out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class Shot(msgspec.Struct, forbid_unknown_fields=True):
    """One example: what was asked, and the right answer."""

    inputs: dict[str, Any]
    output: Any


class FewShot(msgspec.Struct, forbid_unknown_fields=True):
    """The examples, and how each is written where they stand as text."""

    examples: Annotated[list[Shot], msgspec.Meta(min_length=1)]
    each: str | UnsetType = UNSET
    separator: str | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET


class Form(msgspec.Struct, forbid_unknown_fields=True):
    """Fields that are not set stay away, and out of the hash."""

    format: Literal["jinja"] | UnsetType = UNSET
    variables: dict[str, dict[str, Any]] | UnsetType = UNSET
    few_shot: FewShot | UnsetType = UNSET
