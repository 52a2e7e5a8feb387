"""What a version is, as somebody sends it to be asked for or published: checked, and known by its hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.published.form import Form
from workbench.wire.prompt_hash import prompt_hash

OWN_EVIDENCE = ("rollback_to", "rollout")
"""What only the gateway says of a publication: that it was live before, or by which rollout it became live."""


class PromptMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a chat template."""

    role: str
    content: str | list[dict[str, Any]]


class Content(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A version, and why it is sent."""

    version: int
    template: str | list[PromptMessage]
    reason: str
    parameters: dict[str, Any] = {}
    schema: dict[str, Any] | None = None
    form: Form | None = None

    def checked(self) -> dict[str, Any]:
        """Return the version as it is kept, with its hash, and the reason; raises InvalidInput."""
        if self.version < 1:
            raise InvalidInput("version is below 1.", hint="Send the version that MLflow gave.", param="version")
        if not self.reason.strip():
            raise InvalidInput("reason is empty.", hint="Say why this version goes live.", param="reason")
        template: Any = msgspec.to_builtins(self.template)
        if not template:
            raise InvalidInput("template is empty.", hint="Send a text or messages.", param="template")
        form: Any = msgspec.to_builtins(self.form)
        return {
            "version": self.version,
            "template": template,
            "parameters": self.parameters,
            "schema": self.schema,
            **({"form": form} if form else {}),
            "hash": prompt_hash(template, self.parameters, self.schema, form),
            "reason": self.reason.strip(),
        }


def check_evidence(evidence: Mapping[str, Any]) -> None:
    """Raise InvalidInput for evidence from outside that says what only the gateway may say."""
    for name in OWN_EVIDENCE:
        if name in evidence:
            raise InvalidInput(
                f"evidence holds {name!r}, which only the gateway writes.",
                hint="Call it by another name.",
                param=f"evidence.{name}",
            )
