"""Sign in by AWS's Signature Version 4, with configured keys or those that AWS's own chain finds and renews.

Source: AWS, "Create a signed AWS API request". Each segment of a path is encoded once on the wire and once more in
what is signed, so the URL is signed as it is sent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from yarl import URL

from workbench.gateway.providers.signin.renewed import Fetched, Renewed
from workbench.gateway.providers.signin.sign_in import no_token, token_server_down

SERVICE = "bedrock"
"""What all of Bedrock's endpoints are called in a signature."""
_SIGNED = ("content-type", "x-amz-")
"""Headers that are signed beside the host; what is on its way could change others."""


class SigV4SignIn:
    """Signs each request, its body included."""

    signs_body = True

    def __init__(self, provider: str, fetch: Callable[[], Fetched[Any]], *, region: str, renewable: bool) -> None:
        self._keys = Renewed(provider, fetch)
        self._region = region
        self._renewable = renewable

    @property
    def ready(self) -> bool:
        """Whether good keys are held."""
        return self._keys.ready

    async def prepare(self) -> None:
        """Get keys if there are no good ones."""
        await self._keys.prepare()

    def headers(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
        """Return signature, date and session token for this request."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - loaded with the keys
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        signed = {name: value for name, value in headers.items() if name.lower().startswith(_SIGNED)}
        request = AWSRequest(method=method, url=str(url), data=body or b"", headers=signed)
        SigV4Auth(self._keys.value(), SERVICE, self._region).add_auth(request)
        names = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")
        return {name: request.headers[name] for name in names if name in request.headers}

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """Forget keys that were refused; configured ones are what they are."""
        held = self._keys.holds()
        if self._renewable and held is not None and f"Credential={held.access_key}/" in sent.get("Authorization", ""):
            self._keys.forget(held)
        return self._renewable


def configured_keys(secret: str) -> Callable[[], Fetched[Any]]:
    """Return what makes keys of `ACCESS_KEY:SECRET_KEY[:SESSION_TOKEN]`."""
    return functools.partial(_configured, secret)


def keys_of_the_chain(provider: str, profile: str) -> Callable[[], Fetched[Any]]:
    """Return what gets keys from AWS's chain; `default` leaves the profile to the environment."""
    return functools.partial(_from_chain, provider, None if profile == "default" else profile)


def _configured(secret: str) -> Fetched[Any]:
    import botocore.auth  # noqa: PLC0415 - takes a while, so the first call pays and not the start
    from botocore.credentials import ReadOnlyCredentials  # noqa: PLC0415

    assert botocore.auth is not None
    access, key, token = [*secret.split(":"), None][:3]
    return Fetched(ReadOnlyCredentials(access, key, token), None)


def _from_chain(provider: str, profile: str | None) -> Fetched[Any]:
    import botocore.auth  # noqa: PLC0415
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        MetadataRetrievalError,
    )  # fmt: skip
    from botocore.session import Session  # noqa: PLC0415

    assert botocore.auth is not None
    try:
        credentials = Session(profile=profile).get_credentials()
        keys = None if credentials is None else credentials.get_frozen_credentials()
    except (HTTPClientError, MetadataRetrievalError, OSError) as error:
        raise token_server_down(provider, error) from error
    except (BotoCoreError, ClientError) as error:
        down = isinstance(error, CredentialRetrievalError) or _is_servers_fault(error)
        raise (token_server_down if down else no_token)(provider, error) from error
    if credentials is None or keys is None:
        where = f"profile {profile!r}" if profile else "environment, files, container and instance"
        raise no_token(provider, f"AWS's chain finds no keys ({where})")
    expiry = getattr(credentials, "_expiry_time", None)  # nothing public tells it
    return Fetched(keys, None if expiry is None else (expiry - datetime.now(UTC)).total_seconds())


def _is_servers_fault(error: Exception) -> bool:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
