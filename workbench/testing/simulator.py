"""Simulated providers for a test: a loopback server, its faults and its recording."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.simulator.certificate import CERTIFICATE
from workbench.simulator.clouds.service_account import make_service_account
from workbench.simulator.faults import Fault
from workbench.simulator.issued import Cloud, Issued
from workbench.simulator.quota import Quota
from workbench.simulator.recording import Seen
from workbench.simulator.serve import serving
from workbench.simulator.simulator import Simulator
from workbench.simulator.state import AWS_KEY_ID, AWS_SECRET, CREDENTIAL

_PATIENCE = 10.0


@dataclass(frozen=True)
class SimulatedProviders:
    """A running simulator."""

    url: str
    """Root URL; OpenAI's API is below `/v1`, Anthropic's at the root."""
    credential: str
    """The key that it takes."""
    simulator: Simulator
    """The simulator itself."""
    aws_key_id: str = AWS_KEY_ID
    """The access key id that Bedrock takes."""
    aws_secret: str = AWS_SECRET
    """The secret that goes with it."""
    certificate: Path | None = None
    """The certificate to trust where the providers speak TLS."""

    @property
    def requests(self) -> list[Seen]:
        """Return what arrived since the last `clear`."""
        return self.simulator.recording.requests

    def fail(self, kind: Any, **how: Any) -> None:
        """Lay a fault in wait for the next request; see `Fault`."""
        self.simulator.faults.add(Fault(kind=kind, **how))

    def limit(self, **how: Any) -> None:
        """Put a quota in force, over which the providers answer 429; see `Quota`."""
        self.simulator.quotas.add(Quota(**how))

    def clear(self) -> None:
        """Forget faults, quotas and recording; files, jobs and tokens stay good."""
        self.simulator.clear()

    def tokens_last(self, cloud: Cloud, seconds: float) -> None:
        """Let the tokens and keys that a cloud gives out from now on be good for so many seconds."""
        self.simulator.state.issued.lifetimes[cloud] = seconds

    def revoke_tokens(self) -> None:
        """Refuse every token and key that the clouds gave out so far."""
        self.simulator.state.issued.revoke_all()

    def aws_keys(self, *, seconds: float | None = None) -> Issued:
        """Return short-lived keys as STS gives them out: `key_id`, `secret` and, as `token`, the session token."""
        return self.simulator.state.issued.issue("aws", holder="test", prefix="IQoJ", seconds=seconds)

    def service_account(self) -> str:
        """Return the JSON of a Google service account; its `token_uri` is here, its JWTs are verified."""
        return make_service_account(self.simulator.state, self.url)

    def google_token(self) -> str:
        """Return an access token as Google's token server gives it out, good for Vertex and Gemini."""
        return self.simulator.state.issued.issue("google", holder="test", prefix="ya29.").token

    def entra_token(self) -> str:
        """Return an access token as Entra gives it out, good for Azure."""
        return self.simulator.state.issued.issue("entra", holder="test", prefix="eyJ").token

    def wait_until(self, condition: Callable[[list[Seen]], bool]) -> None:
        """Wait until the recording is as wanted; fails after some seconds."""
        wait_until(lambda: condition(self.requests), lambda: f"the simulator saw {self.requests}")


def wait_until(condition: Callable[[], bool], what: str | Callable[[], str], *, seconds: float = _PATIENCE) -> None:
    """Poll a condition until it holds; AssertionError with `what` if it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what if isinstance(what, str) else what()
        time.sleep(0.01)


@contextlib.contextmanager
def simulated_providers(*, tls: Path | None = None) -> Iterator[SimulatedProviders]:
    """Serve a simulator for as long as the block runs; with `tls`, by a certificate that it writes to that folder."""
    simulator = Simulator()
    with serving(simulator, tls=tls) as url:
        certificate = None if tls is None else tls / CERTIFICATE
        yield SimulatedProviders(url=url, credential=CREDENTIAL, simulator=simulator, certificate=certificate)
