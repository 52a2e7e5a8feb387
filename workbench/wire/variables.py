"""The environment variables that a key becomes, in a kernel and in a deployed application: one row for each SDK."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.wire.key_file import MountedKey

GATEWAY_URL = "WORKBENCH_GATEWAY_URL"
KEY_FILE = "WORKBENCH_KEY_FILE"


@dataclass(frozen=True)
class Sdk:
    """How one provider's SDK is told where to go and with which key."""

    name: str
    """What the user calls it."""
    path: str
    """Path of its protocol below the gateway's root."""
    url_variables: tuple[str, ...]
    """Variables that hold the base URL."""
    key_variables: tuple[str, ...]
    """Variables that hold the key."""

    @property
    def names(self) -> tuple[str, ...]:
        """All its variables."""
        return (*self.url_variables, *self.key_variables)

    def variables(self, mounted: MountedKey) -> dict[str, str]:
        """Return the environment by which this SDK uses the mounted key."""
        return self.urls(mounted.gateway_url) | dict.fromkeys(self.key_variables, mounted.key)

    def urls(self, gateway_url: str) -> dict[str, str]:
        """Return the part of it that is no secret."""
        return dict.fromkeys(self.url_variables, gateway_url.rstrip("/") + self.path)


# A row is added when the gateway has a lane that speaks the SDK's protocol. Never AWS_*: it would break the user's S3.
SDKS = (
    # OPENAI_API_BASE is what LlamaIndex and older LangChain read: without it they would send our key to OpenAI.
    Sdk("openai", path="/v1", url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"), key_variables=("OPENAI_API_KEY",)),
)
