"""What is tested: a model at one of its providers, as the gateway's catalogue tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.client import Gateway


@dataclass(frozen=True)
class Subject:
    """A model at one provider."""

    model: str
    """The name that callers use."""
    provider: str
    """The provider that is to answer; empty: whichever the gateway chooses."""
    task: str
    """What the model does: `chat`, `embedding`, `image`, ..."""
    kind: str | None = None
    """The provider's kind; None where the gateway does not tell it."""
    upstream: str | None = None
    """The provider's own name of the model."""
    context_tokens: int | None = None
    """How much it reads; None where nobody knows."""
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    """What is known of it, such as `{"tools": False}`."""

    def lacks(self, capability: str) -> bool:
        """Return whether it is known not to have a capability."""
        return self.capabilities.get(capability) is False


def read_subjects(url: str, key: str | None, *, each_provider: bool) -> list[Subject]:
    """Return what the gateway's catalogue offers to a key.

    `each_provider` gives a subject for each provider of a model; else one for each model, whoever answers. Regions of
    one provider can't be told apart by a caller.
    """
    with Gateway(url=url, key=key) as gateway:
        rows = [row.model_dump() for row in gateway.openai.models.list()]
    found: dict[tuple[str, str], Subject] = {}
    for row in rows:
        told = row["catalogue"]
        facts = told.get("facts") or {}
        if not told["allowed"]:
            continue
        for deployment in told["deployments"]:
            subject = Subject(
                model=row["id"],
                provider=deployment["provider"] if each_provider else "",
                task=told["task"],
                kind=deployment.get("kind"),
                upstream=deployment["model"],
                context_tokens=told.get("context_tokens") or facts.get("context_tokens"),
                capabilities=facts,
            )
            found.setdefault((subject.model, subject.provider), subject)
    return list(found.values())
