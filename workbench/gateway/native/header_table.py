"""The headers of the native lane, all of them: what passes both ways but for what stands in these tables.

Source of the hop-by-hop headers: RFC 9110, section 7.6.1. Where it says nothing else, a header passes as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workbench.errors import InvalidInput

CREDENTIALS = frozenset({
    b"authorization", b"proxy-authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token",
    b"x-amz-date", b"x-amz-content-sha256", b"ocp-apim-subscription-key", b"x-goog-iam-authorization-token",
    b"x-ms-authorization-auxiliary",
})  # fmt: skip
"""Request headers in which SDKs put a key or a signature: none goes on, the gateway's own takes their place."""
WHOSE_ACCOUNT = frozenset({b"openai-organization", b"openai-project", b"x-goog-user-project"})
"""Request headers that choose among the accounts of a credential: the credential is the gateway's, so it chooses."""
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", b"http2-settings",
})  # fmt: skip
_OF_THE_WAY = frozenset({
    b"host", b"expect", b"content-length", b"accept-encoding", b"cookie", b"forwarded", b"via", b"x-real-ip",
    b"true-client-ip", b"cf-connecting-ip", b"client-ip", b"origin", b"referer", b"max-forwards", b"early-data",
    b"x-original-url", b"x-rewrite-url", b"x-original-host", b"x-http-method", b"x-http-method-override",
    b"x-method-override", b"x-request-id",
})  # fmt: skip
"""Request headers about the way here, or that would have the provider read another request than the gateway."""
_WAYS = (b"x-forwarded-", b"x-workbench-", b"proxy-", b"sec-", b"access-control-", b"x-envoy-", b"x-b3-")

_NOT_TO_CALLER = HOP_BY_HOP | frozenset({
    b"content-length", b"content-encoding", b"content-type", b"date", b"server", b"via", b"set-cookie", b"set-cookie2",
    b"alt-svc", b"strict-transport-security", b"x-request-id", b"www-authenticate", b"location", b"content-location",
    b"refresh", b"nel", b"report-to", b"p3p", b"clear-site-data", b"x-powered-by", b"openai-organization",
    b"openai-project", b"anthropic-organization-id", b"operation-location", b"x-goog-upload-url",
    b"x-goog-upload-control-url",
})  # fmt: skip
"""Answer headers that end here: the connection's, the account's, and addresses that lead round the gateway."""
_NOT_TO_CALLER_WAYS = (b"x-workbench-", b"access-control-", b"cf-", b"x-envoy-", b"proxy-")
_SINGLE = (b"host", b"content-type", b"content-length", b"content-encoding", b"authorization")
Pairs = Iterable[tuple[bytes, bytes]]


def check(headers: Pairs) -> None:
    """Raise InvalidInput for headers that two readers would read in two ways."""
    seen: set[bytes] = set()
    for name, value in headers:
        if name in _SINGLE and name in seen:
            raise InvalidInput(
                f"The header {name.decode('latin-1')!r} stands twice.", hint="Send it once.", code="bad_header"
            )
        seen.add(name)
        if b"\0" in value or b"\r" in value or b"\n" in value:
            raise InvalidInput("A header holds a NUL or a line's end.", hint="Leave it out.", code="bad_header")
    if b"transfer-encoding" in seen and b"content-length" in seen:
        raise InvalidInput("The body has two lengths.", hint="Send content-length alone.", code="bad_header")


def to_provider(headers: Pairs, *, key: str | None) -> dict[str, str]:
    """Return what of a request's headers goes on; nothing that is or holds the gateway key does."""
    headers = list(headers)
    named = {name.strip().lower() for found, value in headers if found == b"connection" for name in value.split(b",")}
    secret = key.encode("latin-1", "replace") if key else b""
    passing: dict[str, str] = {}
    for name, value in headers:
        if name in CREDENTIALS or name in WHOSE_ACCOUNT or name in HOP_BY_HOP or name in _OF_THE_WAY or name in named:
            continue
        if name.startswith(_WAYS) or (secret and (secret in value or secret in name)):
            continue
        text = name.decode("latin-1")
        value_text = value.decode("latin-1")
        passing[text] = f"{passing[text]}, {value_text}" if text in passing else value_text
    passing["accept-encoding"] = "identity"  # usage is read from answers as they pass
    return passing


def to_caller(headers: Mapping[str, str], *, secrets: Iterable[str] = ()) -> list[tuple[bytes, bytes]]:
    """Return what of an answer's headers goes on; nothing that holds the provider's credential does."""
    secrets = [secret for secret in secrets if len(secret) > 3]
    return [
        (name, value.encode("latin-1", "replace"))
        for text, value in headers.items()
        if (name := text.lower().encode("latin-1", "replace")) not in _NOT_TO_CALLER
        and not name.startswith(_NOT_TO_CALLER_WAYS)
        and not any(secret in value for secret in secrets)
    ]
