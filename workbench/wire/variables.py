"""The environment variables that a key becomes, in a kernel and in a deployed application: one row for each SDK."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from workbench.wire.key_file import MountedKey

GATEWAY_URL = "WORKBENCH_GATEWAY_URL"
KEY_FILE = "WORKBENCH_KEY_FILE"
_PROVIDER = "{provider}"


@dataclass(frozen=True)
class Sdk:
    """How one provider's SDK is told where to go and with which key."""

    name: str
    """What the user calls it."""
    path: str
    """Path of its protocol below the gateway's root; `{provider}` is the provider's configured name."""
    url_variables: Mapping[str, str]
    """Variables that hold the base URL, and what follows the path in each."""
    key_variables: tuple[str, ...] = ()
    """Variables that hold the key."""
    kind: str | None = None
    """Kind of the provider that it is for; None: it is for the gateway's own protocol."""
    others: tuple[str, ...] = ()
    """Variables that we never set; one that is set means that the user has made her own choice."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Variables that it needs as well, set where the user has not."""
    provider: str = ""
    """The provider that it is mounted for, where it is for one."""

    @property
    def names(self) -> tuple[str, ...]:
        """All variables by which the user, or we, say where it goes."""
        return (*self.url_variables, *self.key_variables, *self.others)

    def of(self, provider: str) -> Sdk:
        """Return the row for a provider of that name."""
        return replace(self, path=self.path.replace(_PROVIDER, provider), provider=provider)

    def variables(self, mounted: MountedKey) -> dict[str, str]:
        """Return the environment by which this SDK uses the mounted key."""
        return self.urls(mounted.gateway_url) | dict.fromkeys(self.key_variables, mounted.key)

    def urls(self, gateway_url: str) -> dict[str, str]:
        """Return the part of it that is no secret."""
        root = gateway_url.rstrip("/") + self.path
        return {name: root + suffix for name, suffix in self.url_variables.items()} | dict(self.extras)


# A row is added when the gateway has a lane that speaks the SDK's protocol. Never AWS's credentials: it would break the
# user's S3. litellm, LangChain and LlamaIndex read these variables, or those of their own that stand beside them:
# without those they would send our key to the provider itself.
SDKS = (
    Sdk("openai", "/v1", {"OPENAI_BASE_URL": "", "OPENAI_API_BASE": ""}, ("OPENAI_API_KEY",)),
    Sdk(
        "anthropic",
        "/{provider}",
        {"ANTHROPIC_BASE_URL": "", "ANTHROPIC_API_URL": "", "ANTHROPIC_API_BASE": ""},
        ("ANTHROPIC_API_KEY",),
        kind="anthropic",
        others=("ANTHROPIC_AUTH_TOKEN",),
    ),
    Sdk(
        "google-genai",
        "/{provider}",
        {"GOOGLE_GEMINI_BASE_URL": "", "GEMINI_API_BASE": "/v1beta"},
        ("GEMINI_API_KEY",),  # a second one makes the SDK warn
        kind="gemini",
        others=("GOOGLE_API_KEY",),
    ),
    Sdk(
        "azure",
        "/{provider}",
        {"AZURE_OPENAI_ENDPOINT": "", "AZURE_API_BASE": ""},
        ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        kind="azure",
        others=("AZURE_OPENAI_AD_TOKEN",),
        # The third says what `import openai` without a client means where both are mounted.
        extras={"OPENAI_API_VERSION": "2024-10-21", "AZURE_API_VERSION": "2024-10-21", "OPENAI_API_TYPE": "openai"},
    ),
    # The key is given where the client is made: `wb.bedrock()`.
    Sdk("bedrock", "/{provider}", {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ""}, kind="bedrock"),
)


def rows_for(providers: Iterable[tuple[str, str]]) -> tuple[Sdk, ...]:
    """Return the rows that can be mounted where a gateway has these providers, (name, kind) each.

    Of several of one kind it is the one that is called like it, else the first.
    """
    named: dict[str, str] = {}
    for name, kind in providers:
        if kind not in named or name == kind:
            named[kind] = name
    return tuple(sdk if sdk.kind is None else sdk.of(named[sdk.kind]) for sdk in SDKS if sdk.kind in (None, *named))


def row_named(text: str) -> Sdk | None:
    """Return the row that `as_text` named."""
    name, _, provider = text.partition("=")
    found = next((sdk for sdk in SDKS if sdk.name == name), None)
    return found.of(provider) if found is not None and provider else found


def as_text(sdk: Sdk) -> str:
    """Return a row's name and, where it is for one, its provider's."""
    return f"{sdk.name}={sdk.provider}" if sdk.provider else sdk.name
