"""What the client answers with."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from workbench.client.limits import RateLimits
from workbench.errors import InvalidInput
from workbench.wire.prompt_assignment import gets_candidate, unit_of, user_hash
from workbench.wire.usage import Usage

_SHOWN = 80  # characters


@dataclass(frozen=True)
class ChatResult:
    """One answer of a model."""

    text: str
    """The answer's text; empty if it has none."""
    images: list[bytes] = field(repr=False)
    """Images of the answer, as files in their own format."""
    usage: Usage
    """Tokens, as the gateway counted them."""
    cost_usd: float | None
    """US dollars; None if the price is unknown."""
    latency_ms: float
    """Milliseconds from the request to the last byte, seen from here."""
    request_id: str
    """Names the call in the gateway's ledger, and in `Gateway.feedback`."""
    model: str
    """The model that answered; after a fallback it is not the one that was asked."""
    finish_reason: str | None
    """Why it ended: `stop`, `length`, `tool_calls`, `content_filter`."""
    first_token_ms: float | None = None
    """Milliseconds to the first piece of text; None where the answer came whole."""
    limits: RateLimits | None = field(default=None, repr=False, compare=False)
    """What was left of the limits that the call was held to; None where the answer tells of none."""
    raw: Any = field(default=None, repr=False, compare=False)
    """The SDK's own object: a ChatCompletion, or the list of its chunks for a stream."""

    _rate: ClassVar[Callable[..., Any] | None] = None
    """Tells the gateway what the answer was worth; no field, so that a copy as data leaves it out."""

    def rated_by(self, rate: Callable[..., Any]) -> Self:
        """Let `feedback` tell the gateway; return itself."""
        object.__setattr__(self, "_rate", rate)
        return self

    def feedback(self, value: bool | float | str, comment: str | None = None) -> Any:
        """Tell how good this answer was: `Gateway.feedback` with its request id; of an AsyncGateway, await it.

        Raises InvalidInput for an answer that has come from elsewhere, such as a copy.
        """
        if self._rate is None:
            raise InvalidInput(
                "This answer has no gateway to tell.", hint="Use `gateway.feedback(result.request_id, value)`."
            )
        return self._rate(self.request_id, value, comment)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_rate"}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "..."
        return f"ChatResult({text!r}, {self.facts})"

    @property
    def facts(self) -> str:
        """What it took, in words."""
        images = f"{len(self.images)} image{'s' * (len(self.images) != 1)}, " if self.images else ""
        cost = "cost unknown" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        tokens = f"{self.usage.input_tokens}+{self.usage.output_tokens} tokens"
        cut = ", cut at its length limit" if self.finish_reason == "length" else ""
        return f"{images}{self.model}, {tokens}, {cost}, {self.latency_ms:.0f} ms{cut}"

    def _repr_html_(self) -> str:
        # A model's words are not to be trusted: they are shown as text, never as markup.
        return f'<div style="white-space:pre-wrap">{html.escape(self.text)}</div>{self._below()}'

    def _below(self) -> str:
        images = "".join(
            f'<img style="max-width:24em" src="data:{_media_type(image)};base64,{base64.b64encode(image).decode()}">'
            for image in self.images
        )
        return f'{images}<div style="opacity:.6;font-size:85%">{html.escape(self.facts)}</div>'


def _media_type(image: bytes) -> str:
    starts = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next((kind for start, kind in starts.items() if image.startswith(start)), "application/octet-stream")


@dataclass(frozen=True)
class PublishedPrompt:
    """A prompt as the gateway publishes it; its hash has been checked."""

    name: str
    """Its name in the registry."""
    alias: str
    """The alias that it was asked for by."""
    version: int
    """The version that is live under the alias."""
    template: str | list[dict[str, Any]]
    """A text, or chat messages; variables are `{{name}}`."""
    parameters: dict[str, Any]
    """Parameters of the call, the model among them."""
    schema: dict[str, Any] | None
    """JSON schema of the answer, or None."""
    hash: str
    """SHA-256 of template, parameters and schema, and of the form where there is one."""
    published_at: str | None
    """UTC time in ISO 8601."""
    published_by: str | None
    """Who published it."""
    form: dict[str, Any] = field(default_factory=dict)
    """How the template is filled in: its syntax, typed variables, examples; empty: just `{{name}}`."""
    seq: int = field(default=0, compare=False)
    """How far the gateway's record went when it was asked; 0 where it did not tell."""
    rollout: PublishedRollout | None = None
    """The version that some users get instead; None: there is none."""

    def for_user(self, user: str | None) -> tuple[PublishedPrompt, dict[str, str]]:
        """Return the version that a user gets, and the tags by which the ledger knows; without a user, this one."""
        if self.rollout is None or user is None:
            return self, {}
        unit = unit_of(self.rollout.id, user_hash(user))
        chosen = gets_candidate(unit, self.rollout.weight)
        arm = self.rollout.candidate_arm if chosen else self.alias
        tags = {"rollout": self.rollout.id, "arm": arm, "rollout_user": unit}
        return (self.rollout.candidate if chosen else self), tags


@dataclass(frozen=True)
class PublishedRollout:
    """A candidate that goes live step by step under the alias of another version."""

    id: str
    """Names it in the ledger's tags."""
    weight: float
    """Percent of the users that get the candidate."""
    candidate_arm: str
    """What the candidate is called: the alias that it was published under."""
    candidate: PublishedPrompt
    """The candidate, under the name and alias that were asked for."""


@dataclass(frozen=True)
class Served:
    """How fresh a prompt was when it was loaded."""

    state: Literal["live", "stale", "last good"]
    """`live`: the gateway confirmed it within the lease. `stale`: the lease has run out and the gateway is being asked.
    `last good`: the gateway can't be asked, or what it said can't be believed."""
    age_s: float
    """Seconds since the gateway last confirmed it."""
    problem: str | None = None
    """Why it is only the last good one."""

    def __str__(self) -> str:
        return self.state if self.state == "live" else f"{self.state}, confirmed {self.age_s:.0f} s ago"
