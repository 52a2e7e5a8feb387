"""What one answer used, as a provider counts it: no two counts hold the same token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from workbench.simulator.answer import Answer

Tier = Literal["standard", "batch", "flex", "priority", "training"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """Counts of what is charged."""

    model: str = ""
    """The model; empty: the one that the request names."""
    tier: Tier = "standard"
    """By which column of the price list."""
    input: int = 0
    """Input tokens of text that no cache held."""
    cached: int = 0
    """Input tokens that were read from a cache."""
    cache_write: int = 0
    """Input tokens that were written to a cache for five minutes."""
    cache_write_1h: int = 0
    """Input tokens that were written to a cache for an hour."""
    output: int = 0
    """Output tokens of text, thinking included."""
    audio_input: int = 0
    """Input tokens of sound."""
    audio_output: int = 0
    """Output tokens of sound."""
    image_input: int = 0
    """Input tokens of pictures."""
    image_output: int = 0
    """Output tokens of pictures."""
    images: int = 0
    """Pictures that are paid by the piece."""
    seconds: float = 0.0
    """Seconds of sound that are paid by the second."""
    characters: int = 0
    """Characters that were spoken."""
    searches: int = 0
    """Searches and rankings."""
    trained: int = 0
    """Tokens that a model was trained on."""

    def up_to(self, frames: int) -> Used:
        """Return what is charged of a stream that broke off after so many frames: a token each."""
        return replace(
            self,
            output=min(self.output, frames),
            audio_output=min(self.audio_output, frames),
            image_output=0,
            images=0,
        )


def used_by(answer: Answer) -> tuple[Used]:
    """Return what an answer of text used."""
    return (Used(input=answer.input_tokens, output=answer.output_tokens),)
