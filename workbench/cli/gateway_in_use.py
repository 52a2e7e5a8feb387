"""The gateway that a command's calls go through: the one that is there, or the embedded one for as long as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from workbench.client import Gateway


@contextmanager
def gateway_in_use() -> Iterator[Gateway]:
    """Yield a client of the gateway that is there, or of the embedded one, which then runs as long as the command."""
    from workbench.client import Gateway
    from workbench.services.embedded import EmbeddedGateway, running_gateway
    from workbench.settings import config_path, home_folder, mounted_environment

    mounted = mounted_environment()
    if mounted.key_file is not None or mounted.gateway_url is not None:
        with Gateway() as gateway:
            yield gateway
        return
    if running_gateway(home_folder()) is None:
        click.echo("No gateway runs; the embedded one is started for this command.", err=True)
    with EmbeddedGateway(home_folder(), config_path()), Gateway() as gateway:
        yield gateway
