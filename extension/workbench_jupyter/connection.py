"""Reach a gateway: the embedded one of the home, or a configured one by an identity.

It loads pydantic and psutil, so the broker imports it in its thread, which the server's start does not wait for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from workbench.client.desk import is_loopback
from workbench.client.key_desk import KeyDesk
from workbench.errors import AuthenticationFailed, InvalidInput
from workbench.services.embedded import EmbeddedGateway, running_gateway
from workbench.settings import Settings, found_identity, identity_token, mounted_environment
from workbench.wire.embedded import read_owner_token


@dataclass(frozen=True)
class Connection:
    """A gateway that can be asked for keys."""

    desk: KeyDesk
    """Issues and revokes."""
    lease: str | None
    """Keys end with it; None at a gateway that is not ours."""
    expires_in: int
    """Life of a key, in seconds."""
    renewed_in_place: bool = False
    """Whether the identity stands in a file that may hold another token by now."""

    def current(self) -> Connection:
        """Return the connection with the identity of the moment."""
        if not self.renewed_in_place:
            return self
        with suppress(AuthenticationFailed):  # while its file is away, the token that it held goes on
            token = identity_token()
            if token is not None and token != self.desk.token:
                return replace(self, desk=replace(self.desk, token=token))
        return self


def configured_url() -> str | None:
    """Return the root URL of the gateway that the environment names, or None where the embedded one is meant."""
    mounted = mounted_environment()
    url = mounted.gateway_url.rstrip("/") if mounted.gateway_url else None
    own = running_gateway(mounted.home) if url else None
    # A server started by `workbench up`, or inside a kernel, is told our own gateway: it holds a lease as well.
    return None if own is not None and own.url == url else url


def connect_embedded(gateway: EmbeddedGateway, settings: Settings) -> Connection:
    """Find or start the embedded gateway."""
    address = gateway.attach()
    return Connection(KeyDesk(address.url, address.owner_token), gateway.lease_id, _life(settings))


def connect_configured(url: str, settings: Settings) -> Connection:
    """Find out who we are to a gateway elsewhere; it is not asked yet.

    Raises InvalidInput for what is no URL of a gateway, AuthenticationFailed where there is no identity.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"WORKBENCH_GATEWAY_URL is {url!r}, which is no root URL of a gateway.",
            hint="Set it to a URL such as https://gateway.example.com and restart Jupyter.",
        )
    found = found_identity()
    identity = found.text if found else None
    if identity is None and is_loopback(url):
        # The owner's token is a secret of this machine: it is never sent to another one.
        identity = read_owner_token(settings.home)
    if identity is None:
        raise AuthenticationFailed(
            f"The gateway at {url} has to know who asks for a key, and this server has no identity.",
            hint="Set WORKBENCH_IDENTITY_TOKEN_FILE, or WORKBENCH_IDENTITY_TOKEN, in the Jupyter server's environment "
            "and restart it. For a gateway of this machine: start it with the same WORKBENCH_HOME, and the key follows "
            "by itself.",
            code="missing_key",
        )
    renewed = found is not None and found.renewed_in_place
    return Connection(KeyDesk(url, identity), lease=None, expires_in=_life(settings), renewed_in_place=renewed)


def _life(settings: Settings) -> int:
    return min(settings.jupyter.key_expires_in, settings.policy.exploration.expires_in)
