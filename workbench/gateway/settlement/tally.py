"""What the answers of a batch used and cost, by model: each line of its results is priced by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workbench.gateway.dialects import anthropic, gemini
from workbench.gateway.dialects.reader import can_be
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.rate import Rate
from workbench.gateway.routing.models import Deployment, Models
from workbench.gateway.unified.tuned import EDITION
from workbench.settings import Kind
from workbench.wire.usage import Usage

_object = msgspec.json.Decoder(dict[str, Any])
_LEAST_ERROR = 400
_ANSWERS = frozenset({"choices", "output", "data", "content"})
"""Where answers stand that models are paid for; moderations have none of them."""


@dataclass(slots=True)
class Share:
    """What one model's answers come to."""

    name: str
    """The model as callers know it, else the provider's own name."""
    deployment: Deployment
    """Where they were made."""
    rate: Rate | None
    """Their price; None: not known."""
    usage: Usage = field(default_factory=Usage)
    """What they used."""
    cost_usd: float = 0.0
    """What they cost."""
    answers: int = 0
    """How many there are."""


class Tally:
    """The sums of one batch, or of one answer that came later, at the price of one time and service tier."""

    def __init__(
        self, models: Models, prices: PriceBook, *, provider: str, kind: Kind, time: str, grade: str = "batch"
    ) -> None:
        self._models = models
        self._prices = prices
        self._provider = provider
        self._kind = kind
        self._time = time
        self._grade = grade
        self.shares: dict[str, Share] = {}
        """By the provider's own name of the model."""
        self.unread = 0
        """Answers that do not tell what they used."""
        self.lines = 0
        """Lines of results that were read."""

    def line(self, raw: bytes) -> None:
        """Add a line of results, of OpenAI's form or Anthropic's; one that failed cost nothing."""
        if not raw.strip():
            return
        self.lines += 1
        try:
            told = _object.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unread += 1
            return
        result, response = told.get("result"), told.get("response")
        if isinstance(result, dict) and result.get("type") == "succeeded":
            self.answer(result.get("message"))
        elif isinstance(response, dict) and not _failed(response.get("status_code")):
            self.answer(response.get("body"))

    def sum(self, batch: dict[str, Any]) -> bool:
        """Take what a batch says of all its answers, where it names their model; return whether it does."""
        self.shares.clear()
        self.unread = 0
        if isinstance(batch.get("model"), str) and isinstance(batch.get("usage"), dict):
            self.add(batch["model"][:200], batch["usage"])
        return bool(self.shares)

    def answer(self, body: object) -> None:
        """Add an answer by what it says that it used; one that says nothing of that is unread."""
        if isinstance(body, dict) and isinstance(body.get("usage"), dict):
            self.add(str(body.get("model", ""))[:200], body["usage"])
        elif not isinstance(body, dict) or not _ANSWERS.isdisjoint(body):
            self.unread += 1

    def line_of_google(self, model: str, raw: bytes) -> None:
        """Add a line of results in Google's form, of a batch of one model."""
        if not raw.strip():
            return
        try:
            told = _object.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unread += 1
        else:
            self.of_google(model, told)

    def of_google(self, model: str, told: dict[str, Any]) -> None:
        """Add an answer in Google's form, of texts or of vectors; one that failed cost nothing."""
        answer = told.get("response")
        if not isinstance(answer, dict):
            return
        if isinstance(answer.get("usageMetadata"), dict):
            self._add(model, gemini.usage_of(answer["usageMetadata"]))
        else:
            tokens = str(answer.get("tokenCount") or "")
            self._add(model, Usage(input_tokens=int(tokens)) if tokens.isdecimal() else None)

    def add(self, model: str, told: dict[str, Any]) -> None:
        """Add what one answer of a model says that it used."""
        self._add(model, _usage_of(told))

    def _add(self, model: str, usage: Usage | None) -> None:
        if usage is None or not can_be(usage) or usage == Usage():
            self.unread += 1
            return
        share = self.share(model)
        share.answers += 1
        share.usage = share.usage + usage
        if share.rate is not None:
            share.cost_usd += share.rate.graded(self._grade).cost(usage)

    def share(self, model: str) -> Share:
        """Return the sums of a model."""
        if model not in self.shares:
            name, deployment = self._found(model)
            self.shares[model] = Share(name, deployment, self._prices.of(deployment, self._time).rate)
        return self.shares[model]

    def _found(self, model: str) -> tuple[str, Deployment]:
        """Return the deployment that a provider's name means; it may add the day of an edition."""
        mine = [(one, d) for one in self._models for d in one.deployments if d.provider == self._provider]
        for whole in (True, False):
            for one, deployment in mine:
                edition = "" if whole else EDITION
                if re.fullmatch(re.escape(deployment.model) + edition, model):
                    return one.name, deployment.paid_by_call()
        return f"{self._provider}/{model}", Deployment(provider=self._provider, kind=self._kind, model=model)


def _failed(status: object) -> bool:
    """Tell whether a line was refused; what tells no status, or another of success, may have been paid."""
    return isinstance(status, int) and status >= _LEAST_ERROR


def _usage_of(told: dict[str, Any]) -> Usage | None:
    if "cache_read_input_tokens" in told or "cache_creation_input_tokens" in told:
        return anthropic.usage_of(told)
    try:
        return Usage.from_openai(told)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None
