"""Which gateway a command means, and by what right it asks."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

url_option = click.option(
    "--url", metavar="URL", help="Gateway; default: $WORKBENCH_GATEWAY_URL, the embedded one, or [gateway] of the file."
)


@dataclass(frozen=True)
class Asked:
    """A gateway and an identity for it."""

    url: str
    """Root URL."""
    token: str = field(repr=False)
    """Bearer token of the identity."""


def asked_gateway(url: str | None) -> Asked:
    """Return the gateway that is meant; raises AuthenticationFailed where there is no identity for it."""
    from workbench.client.desk import is_loopback
    from workbench.client.find import same_origin
    from workbench.errors import AuthenticationFailed
    from workbench.settings import identity_token, load_settings, mounted_environment
    from workbench.wire.embedded import read_owner_token, read_record

    settings = load_settings(credentials=False)
    record = read_record(settings.home)
    own = f"http://{settings.gateway.host}:{settings.gateway.port}"
    asked = url or mounted_environment().gateway_url or (record.url if record else own)
    homes_own = is_loopback(asked) and (
        url is not None or same_origin(asked, own) or (record is not None and same_origin(asked, record.url))
    )
    # The owner's token goes to the home's own gateway, or where the user says, and never off this machine.
    owners = homes_own and settings.identity.takes_owner
    token = (read_owner_token(settings.home) if owners else None) or identity_token()
    if token is None:
        raise AuthenticationFailed(
            f"No identity token for the gateway at {asked}.",
            hint="Start it with `workbench gateway`, or set WORKBENCH_IDENTITY_TOKEN_FILE or WORKBENCH_IDENTITY_TOKEN.",
            code="missing_key",
        )
    return Asked(asked, token)
