"""Pictures: what is sent to `images/generations` and `images/edits`, and what comes back. No I/O."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.client import answers, requests
from workbench.errors import InvalidInput, ProviderError
from workbench.wire import headers
from workbench.wire.tags import write_tags
from workbench.wire.usage import Usage


@dataclass(frozen=True)
class PictureResult:
    """The pictures of one call."""

    images: list[bytes] = field(repr=False)
    """The pictures, as files in their own format; at least one."""
    usage: Usage
    """Tokens, where the provider tells them."""
    cost_usd: float | None
    """US dollars; None if the price is unknown."""
    latency_ms: float
    """Milliseconds from the request to the last byte, seen from here."""
    request_id: str
    """Names the call in the gateway's ledger."""
    model: str
    """The model that answered; after a fallback it is not the one that was asked."""


def arguments(
    prompt: str,
    *,
    model: str,
    image: bytes | None,
    mask: bytes | None,
    tags: Mapping[str, str] | None,
    parameters: Mapping[str, Any],
    known: frozenset[str],
) -> dict[str, Any]:
    """Return the arguments of the SDK's `images.edit`, or of `images.generate` where there is no picture to edit."""
    if image is None and mask is not None:
        raise InvalidInput("A mask needs a picture.", hint="Pass `image=` too.", param="mask")
    requests.check_parameters(parameters, known, "picture")
    made = {**parameters, "model": model, "prompt": prompt}
    for name, data in (("image", image), ("mask", mask)):
        if data is not None:
            made[name] = (f"{name}.png", data, "image/png")
    if tags:
        made["extra_headers"] = {**(parameters.get("extra_headers") or {}), headers.TAGS: write_tags(tags)}
    return made


def read(answer: Any, head: Mapping[str, str], *, model: str, latency_ms: float) -> PictureResult:
    """Read an ImagesResponse and the headers that came with it; raises ProviderError where there is no picture."""
    body: dict[str, Any] = answer.model_dump()
    made = [_file(one) for one in body.get("data") or []]
    if not made:
        raise ProviderError(f"{model!r} answered without a picture.", hint="Ask again, or with another prompt.")
    return PictureResult(
        images=made,
        usage=Usage.from_openai(body.get("usage") or {}),
        cost_usd=answers.read_cost(head),
        latency_ms=latency_ms,
        request_id=head.get(headers.REQUEST_ID, ""),
        model=head.get(headers.MODEL) or model,
    )


def _file(one: Mapping[str, Any]) -> bytes:
    encoded = one.get("b64_json")
    if not isinstance(encoded, str):
        raise ProviderError(
            "The answer links to a picture, and links are not followed.", hint="Pass response_format='b64_json'."
        )
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ProviderError("A picture of the answer is not valid base64.") from error
