"""`python -m workbench.local` serves the embedded models on a loopback port until its standard input ends.

It prints one JSON line, `{"url", "token"}`, when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
from pathlib import Path

from workbench.local.app import create_app
from workbench.local.door import listen
from workbench.local.lifeline import leave, say, the_end


async def serve(home: Path) -> None:
    """Serve the models of a home until the end."""
    over = the_end()
    token = secrets.token_urlsafe(32)
    listening = await listen(create_app(home=home, token=token))
    say({"url": listening.url, "token": token})
    await over.wait()
    await listening.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m workbench.local", description="Serve the embedded models.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the workbench")
    asyncio.run(serve(parser.parse_args().home.resolve()))
    leave()


if __name__ == "__main__":
    main()
