"""`workbench gateway`: serve the gateway in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.cli.options import config_option


@click.command()
@config_option
@click.option("--host", help="Address to listen on; default: [gateway] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for any free one; default: [gateway] port.")
@click.option("--workers", type=click.IntRange(1, 32), default=1, help="Processes that share the port.")
def command(*, config: Path | None, host: str | None, port: int | None, workers: int) -> None:
    """Serve the gateway in the foreground, until Ctrl-C.

    Prints one line with its URL when it is ready; exits with 0 after its streams have ended.
    """
    from workbench.gateway.serve import serve, serve_with_workers
    from workbench.settings import load_settings

    settings = load_settings(config)
    if workers > 1:
        serve_with_workers(settings, workers, host=host, port=port)
    else:
        serve(settings, host=host, port=port)
