"""A gateway for a test: a process of its own on a free port, with a home and a configuration of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.client.key_desk import KeyDesk
from workbench.testing.forked import Forked, start_gateway
from workbench.wire.embedded import read_owner_token

READY = "workbench gateway ready at "
_TRANSLATED = re.compile(r'kind *= *"(anthropic|gemini|vertex|bedrock|litellm)"')


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that is ready."""

    url: str
    """Root URL, without `/v1`."""
    home: Path
    """Its WORKBENCH_HOME."""
    process: Forked | subprocess.Popen[str]
    """Its process."""

    @property
    def owner_token(self) -> str:
        """Return the token of its local owner."""
        token = read_owner_token(self.home)
        assert token is not None
        return token

    def issue_key(self, **wish: Any) -> str:
        """Return a new exploration key."""
        wish = {"note": "test", "expires_in": 3600, "lease": None, **wish}
        return KeyDesk(self.url, self.owner_token).issue(**wish, timeout=10).key

    def stop(self) -> int:
        """End it by SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def running_gateway(
    home: Path,
    *,
    config: str | None = None,
    arguments: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Iterator[RunningGateway]:
    """Run a gateway for as long as the block runs; `config` is the text of a workbench.toml.

    It is forked from a process that has loaded its modules, unless it is to be `fresh`. Raises RuntimeError with what
    it wrote to stderr if it does not start.
    """
    home.mkdir(parents=True, exist_ok=True)
    given = ["--port", "0", *arguments]
    path = home / "workbench.toml"
    if config is not None:
        path.write_text(config, "utf-8")
        given += ["--config", str(path)]
    log = (home / "gateway.stderr").open("w+")
    environment = {**os.environ, **(environ or {}), "WORKBENCH_HOME": str(home)}
    process: Forked | subprocess.Popen[str]
    if fresh:
        command = [sys.executable, "-m", "workbench.gateway", *given]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    else:
        translates = _TRANSLATED.search(config or "") is not None
        process = start_gateway(given, environ=environment, stderr=log.fileno(), translates=translates)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            process.wait(timeout=30)
            raise RuntimeError(f"The gateway did not start: {(home / 'gateway.stderr').read_text()}")
        yield RunningGateway(url=line.removeprefix(READY).strip(), home=home, process=process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        if config is not None:  # what comes to this home later is not to find the settings of a gateway that is gone
            path.unlink(missing_ok=True)
        log.close()
