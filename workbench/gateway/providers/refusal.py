"""What a provider's error status means here, and who must act: the caller, the admin or the provider."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import msgspec

from workbench.errors import (
    ProviderCredential,
    ProviderError,
    ProviderLimit,
    ProviderTimeout,
    ProviderUnavailable,
    WorkbenchError,
)
from workbench.gateway.providers.provider import CallerRefused, ProviderFailed
from workbench.wire.sse import Event

_OVERLOADED = (503, 529)
_GAVE_UP = (504, 524)
"""A server in between did not wait for the answer, which may have been made."""
_LONGEST_WAIT = 86400.0
_BAD_KEY = ("API key not valid", "API key expired")
"""How Google refuses a key, with status 400."""
_STALE_KEYS = ("ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "InvalidSignature")
"""What AWS calls keys that are no longer good; it says so with status 403."""


def token_refused(status: int, headers: Mapping[str, str]) -> bool:
    """Tell whether an answer refuses the credential itself, and not what it is used for."""
    return status == 401 or (status == 403 and headers.get("x-amzn-errortype", "").startswith(_STALE_KEYS))


def refusal(  # noqa: PLR0911 - a table of statuses, a return a row
    provider: str, status: int, headers: Mapping[str, str], body: bytes
) -> WorkbenchError:
    """Return the error for an answer that is not a success; the body is never shown raw."""
    fields = _error_fields(body)
    said = f" It said: {str(fields['message'])[:500]!r}." if fields.get("message") else ""
    if status in (401, 402, 403) or _is_bad_key(fields):
        return ProviderCredential(
            f"Provider {provider!r} refused the gateway's own credential (it answered {status}).",
            hint=f"Not your key: the admin must mend [providers.{provider}] credential.",
        )
    if status == 408:
        return ProviderTimeout(f"Provider {provider!r} gave up waiting (it answered 408).{said}", hint="Try again.")
    if status == 429:
        wait = retry_after(headers)
        if wait is None and (delay := str(fields.get("retryDelay", ""))).endswith("s"):
            wait = retry_after({"retry-after": delay[:-1]})
        return ProviderLimit(
            f"Provider {provider!r} limits the gateway (it answered 429); no limit of this gateway was reached.{said}",
            hint="Try again later." if wait is None else f"Try again in {wait:g} s.",
            retry_after=wait,
        )
    if status == 404:
        return ProviderError(
            f"Provider {provider!r} does not know the path or the model (it answered 404).{said}",
            hint=f"The admin must check [providers.{provider}] base_url and the deployment's model.",
            code="provider_not_found",
        )
    if 300 <= status < 400:
        return ProviderError(
            f"Provider {provider!r} answered a redirect ({status}), which is never followed.",
            hint=f"The admin must check [providers.{provider}] base_url.",
        )
    if 400 <= status < 500:
        return CallerRefused(
            str(fields.get("message") or f"Provider {provider!r} refused the request with status {status}."),
            answered=status,
            fields=fields,
        )
    if status in _OVERLOADED:
        return ProviderUnavailable(
            f"Provider {provider!r} is overloaded (it answered {status}).{said}", retry_after=retry_after(headers)
        )
    kind = ProviderFailed if status >= 500 and status not in _GAVE_UP else ProviderError
    return kind(f"Provider {provider!r} failed (it answered {status}).{said}")


class StreamFailed(ProviderError):
    """A provider told of its own failure in the middle of a stream; its event goes to the caller as it came."""

    def __init__(self, provider: str, event: Event) -> None:
        said = _error_fields(event.data).get("message")
        words = f" It said: {str(said)[:500]!r}." if said else ""
        super().__init__(f"Provider {provider!r} failed in the middle of its stream.{words}")
        self.event = event


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None where there is none that can be read."""
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _error_fields(body: bytes) -> dict[str, Any]:
    """Return what an error says, in OpenAI's fields, from the shape of any provider; empty where it can't be read."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Gemini's, asked for a stream
    if not isinstance(value, dict):
        return {}
    response = value.get("response")  # a stream of `responses` fails by an event that holds the whole answer
    error = (response if isinstance(response, dict) else value).get("error")
    if isinstance(error, dict):
        return _of_google(error) if isinstance(error.get("code"), int) and "status" in error else error
    said = value.get("message") or value.get("Message")  # AWS's, and others' without an envelope
    return {"message": said, "type": value.get("__type") or value.get("type")} if isinstance(said, str) else {}


def _is_bad_key(fields: Mapping[str, Any]) -> bool:
    return fields.get("type") == "INVALID_ARGUMENT" and str(fields.get("message")).startswith(_BAD_KEY)


def _of_google(error: dict[str, Any]) -> dict[str, Any]:
    details = error.get("details")
    fields = {"message": error.get("message"), "type": error["status"], "code": error["status"]}
    for one in details if isinstance(details, list) else ():
        if isinstance(one, dict) and isinstance(one.get("retryDelay"), str):
            fields["retryDelay"] = one["retryDelay"]
    return fields
