"""`workbench gateway`: serve the gateway in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.cli.options import config_option


@click.command()
@config_option
@click.option("--host", help="Address to listen on; default: [gateway] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for any free one; default: [gateway] port.")
@click.option("--workers", type=click.IntRange(1, 1), default=1, help="Processes; only 1 until limits are shared.")
def command(*, config: Path | None, host: str | None, port: int | None, workers: int) -> None:
    """Serve the gateway in the foreground, until Ctrl-C.

    Prints one line with its URL when it is ready; exits with 0 after its streams have ended.
    """
    from workbench.gateway.serve import serve
    from workbench.settings import load_settings

    serve(load_settings(config), host=host, port=port)
