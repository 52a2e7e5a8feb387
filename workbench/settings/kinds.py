"""What each kind of provider must and may be told, a row each; what it has no use for is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from workbench.settings.credential import REFERENCES
from workbench.settings.tables import Kind

_AWS_KEYS = re.compile(r"[^:\s]+:[^:\s]+(:[^:\s]+)?")
_SERVICE_ACCOUNT = ("client_email", "private_key", "token_uri")

AWS_KEYS = "ACCESS_KEY:SECRET_KEY[:SESSION_TOKEN]"
"""How AWS keys stand in a variable or file."""


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind."""

    references: tuple[str, ...] = ("env", "file")
    """Forms of credential that it takes."""
    needs_credential: bool = True
    """Whether it can't do without one."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Fields that it can't do without, and what each is."""
    optional: tuple[str, ...] = ()
    """Fields that it alone knows."""
    wrong: Callable[[str], str | None] = lambda _secret: None
    """Tell what a secret should be, where it is not that."""

    @property
    def reference(self) -> str:
        """Return how its credential may be written."""
        forms = [REFERENCES[form] for form in self.references]
        return f"a reference: {', '.join(forms[:-1])} or {forms[-1]}" if forms else "none"


def _wrong_aws_keys(secret: str) -> str | None:
    return None if _AWS_KEYS.fullmatch(secret) else f"{AWS_KEYS} in it"


def _wrong_service_account(secret: str) -> str | None:
    try:
        account = json.loads(secret)
    except (ValueError, RecursionError):
        account = None
    if isinstance(account, dict) and all(isinstance(account.get(name), str) for name in _SERVICE_ACCOUNT):
        return None
    return f"a service account's JSON in it, with {', '.join(_SERVICE_ACCOUNT)}"


KIND_ROWS: dict[Kind, KindRow] = {
    "openai": KindRow(),
    "azure": KindRow(
        references=("env", "file", "azure"),
        required={"base_url": "the resource's endpoint, such as https://NAME.openai.azure.com"},
        optional=("api_version",),
    ),
    "anthropic": KindRow(),
    "gemini": KindRow(),
    "vertex": KindRow(
        references=("env", "file", "google"),
        required={"project": "the Google Cloud project", "location": "where it runs, such as europe-west4, or global"},
        wrong=_wrong_service_account,
    ),
    "bedrock": KindRow(
        references=("env", "file", "aws"),
        required={"region": "the AWS region, such as eu-central-1"},
        wrong=_wrong_aws_keys,
    ),
    "openai_compatible": KindRow(needs_credential=False, required={"base_url": "the root URL of its API"}),
    "local": KindRow(needs_credential=False),
    "litellm": KindRow(needs_credential=False, optional=("litellm_provider",)),
}

PARTICULAR = {"region", "project", "location", "api_version", "litellm_provider"}
"""Fields that only some kinds know."""
