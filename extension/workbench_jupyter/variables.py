"""The environment variables that a mounted key becomes: one row for each provider's SDK.

Server and kernel share this table, so that a key that comes late, or anew, reaches the same variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.wire.key_file import MountedKey

GATEWAY_URL = "WORKBENCH_GATEWAY_URL"
KEY_FILE = "WORKBENCH_KEY_FILE"
HOME = "WORKBENCH_HOME"
MOUNTED = "WORKBENCH_MOUNTED"
"""Names of the rows that are mounted, by commas: so that a server inside a kernel takes none of them for the user's."""
NOTICE = "WORKBENCH_NOTICE"
"""What the kernel tells the user once."""
SERVER_ONLY = ("WORKBENCH_IDENTITY_TOKEN", "JUPYTER_TOKEN")
"""What a kernel has no business to know: the key is there so that it need not."""
STARTING = "gateway_starting"
"""Code of the problem in a key file that ends by itself."""


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
        url = mounted.gateway_url.rstrip("/") + self.path
        return dict.fromkeys(self.url_variables, url) | dict.fromkeys(self.key_variables, mounted.key)


# A row is added when the gateway has a lane that speaks the SDK's protocol. Never AWS_*: it would break the user's S3.
SDKS = (
    # OPENAI_API_BASE is what LlamaIndex and older LangChain read: without it they would send our key to OpenAI.
    Sdk("openai", path="/v1", url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"), key_variables=("OPENAI_API_KEY",)),
)


def mounted_sdks(environ: Mapping[str, str]) -> tuple[Sdk, ...]:
    """Return the rows that were mounted into this environment."""
    names = environ.get(MOUNTED, "").split(",")
    return tuple(sdk for sdk in SDKS if sdk.name in names)
