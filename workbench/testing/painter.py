"""A painter to try things out: a simulated OpenAI that paints stripes, behind a gateway of its own."""

from __future__ import annotations

import os
import signal
import tempfile
import weakref
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from workbench.client import Gateway
from workbench.client.key_desk import KeyDesk
from workbench.services import EmbeddedGateway
from workbench.services.embedded import wait_until_gone
from workbench.testing.simulator import simulated_providers

_CONFIG = """
[gateway]
port = 0

[providers.simulated]
kind = "openai"
base_url = "{url}/v1"
credential = {{ file = "simulated.key" }}

[[models]]
name = "simulated-painter"
task = "image"
description = "paints stripes that follow from the prompt"
deployments = [{{ provider = "simulated", model = "dall-e-2" }}]
"""


class SimulatedPainter:
    """A running gateway whose only model is `simulated-painter`; it takes the sizes of dall-e-2.

    Home and key are its own and end with it: by `close`, at the end of a `with` block, or with this process.
    """

    def __init__(self) -> None:
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="painter-")))
            providers = stack.enter_context(simulated_providers())
            (home / "simulated.key").write_text(providers.credential, "utf-8")
            config = home / "workbench.toml"
            config.write_text(_CONFIG.format(url=providers.url), "utf-8")
            embedded = EmbeddedGateway(home, config, restart=False)
            address = embedded.attach()
            stack.callback(wait_until_gone, home)
            stack.callback(os.kill, address.pid, signal.SIGTERM)  # by itself it would wait some seconds for others
            stack.callback(embedded.close)
            desk = KeyDesk(address.url, address.owner_token)
            issued = desk.issue(note="simulated painter", expires_in=86400, lease=embedded.lease_id, timeout=10)
            self.gateway = stack.enter_context(Gateway(url=address.url, key=issued.key))
            """The client to pass as `gateway=`."""
            self._closing = weakref.finalize(self, stack.pop_all().close)

    def close(self) -> None:
        """End it; a second time does nothing."""
        self._closing()

    def __enter__(self) -> SimulatedPainter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SimulatedPainter(model='simulated-painter', gateway={self.gateway.url!r})"
