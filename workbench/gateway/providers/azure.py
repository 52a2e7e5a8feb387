"""Azure OpenAI: OpenAI's protocol at other places, by deployment with an api-version, or below `openai/v1`.

Source: Azure OpenAI, data plane reference. A deployment's name stands where OpenAI has the model's, in the body too.
"""

from __future__ import annotations

from urllib.parse import quote

from yarl import URL

from workbench.gateway.providers.openai import Urls

_BY_DEPLOYMENT = frozenset(
    {
        "chat/completions",
        "completions",
        "embeddings",
        "audio/transcriptions",
        "audio/translations",
        "audio/speech",
        "images/generations",
        "images/edits",
    }
)
"""Operations that stand below a deployment; the others, such as files, stand beside them."""


def azure_root(base_url: str) -> URL:
    """Return the resource's endpoint, whichever part of the path stands behind it in the configuration."""
    return URL(base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai"))


def azure_urls(root: URL, api_version: str | None) -> Urls:
    """Return where operations stand; without an api-version, on the v1 path."""

    def where(operation: str, model: str) -> URL:
        if api_version is None:
            return URL(f"{root}/openai/v1/{operation}", encoded=True)
        below = f"deployments/{quote(model, safe='')}/" if operation in _BY_DEPLOYMENT else ""
        return URL(f"{root}/openai/{below}{operation}?api-version={quote(api_version, safe='')}", encoded=True)

    return where
