"""The mini-RFC of a use case: what its owner writes down before anybody decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Lines = Annotated[list[_Line], msgspec.Meta(max_length=200)]
_Text = Annotated[str, msgspec.Meta(max_length=20_000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Name of a use case: a DNS label, so that it can stand in a URL and name a Secret."""
_Answer = bool | float | _Text
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Tier = Annotated[int, msgspec.Meta(ge=1, le=3)]

FIELDS = (
    "Fields: name, purpose, owner, data_classes, providers, models, volume {calls_per_day, input_tokens, "
    "output_tokens}, service_level (online or batch), tier (1 to 3), answers {question: answer}."
)


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the use case is expected to send."""

    calls_per_day: _Count | None = None
    """Calls on an average day."""
    input_tokens: _Count | None = None
    """Input tokens of a call."""
    output_tokens: _Count | None = None
    """Output tokens of a call."""


class Rfc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for."""

    name: Name
    """Name of the use case."""
    purpose: _Text = ""
    """What it is for, and for whom."""
    owner: _Line | None = None
    """The identity that answers for it; None: who drafts it."""
    data_classes: _Lines = []
    """Classes of the data that it sends."""
    providers: _Lines = []
    """Providers wanted; none: any that may see the data."""
    models: _Lines = []
    """Models wanted, as callers name them; `*` stands for any text."""
    volume: Volume = Volume()
    """What it is expected to send."""
    service_level: Literal["online", "batch"] = "online"
    """Whether somebody waits for its answers."""
    tier: Tier = 2
    """How critical it is: 1 comes first."""
    answers: dict[_Line, _Answer | None] = {}
    """Answers to the checklist, by question."""


class RfcChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `PATCH /use-cases/{name}`: what is given replaces what was there; answers are put beside others."""

    purpose: _Text | msgspec.UnsetType = msgspec.UNSET
    owner: _Line | msgspec.UnsetType = msgspec.UNSET
    data_classes: _Lines | msgspec.UnsetType = msgspec.UNSET
    providers: _Lines | msgspec.UnsetType = msgspec.UNSET
    models: _Lines | msgspec.UnsetType = msgspec.UNSET
    volume: Volume | msgspec.UnsetType = msgspec.UNSET
    service_level: Literal["online", "batch"] | msgspec.UnsetType = msgspec.UNSET
    tier: Tier | msgspec.UnsetType = msgspec.UNSET
    answers: dict[_Line, _Answer | None] | msgspec.UnsetType = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """Return the fields that are given."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in fields if value is not msgspec.UNSET}

    def apply(self, rfc: Rfc) -> Rfc:
        """Return the RFC as it is to be."""
        given = self.given()
        if "answers" in given:
            given["answers"] = {**rfc.answers, **given["answers"]}
        changed: Rfc = msgspec.structs.replace(rfc, **given)
        return changed
