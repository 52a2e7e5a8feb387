"""The bench: one simulator and one gateway, on which any SDK's case is tried by any lane, once."""

from __future__ import annotations

import json
from typing import Any, Protocol

from driver import Target
from expected import FAULTS
from sdks import Sdk

from workbench.client.key_desk import KeyDesk
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulator import SimulatedProviders, wait_until

MODELS = {
    "openai": {
        "chat": "gpt-4o-mini",
        "embedding": "text-embedding-3-small",
        "image": "gpt-image-1",
        "speech": "gpt-4o-mini-tts",
        "transcription": "whisper-1",
        "moderation": "omni-moderation-latest",
    },
    "anthropic": {"chat": "claude-sonnet-4-5"},
    "gemini": {"chat": "gemini-2.5-flash", "embedding": "gemini-embedding-001"},
    "vertex": {
        "chat": "gemini-2.5-pro",
        "embedding": "text-embedding-005",
        "image": "imagen-4.0-generate-001",
    },
    "bedrock": {"chat": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "embedding": "amazon.titan-embed-text-v2:0"},
}
MODELS["azure"] = MODELS["openai"]
"""The providers' own names; the gateway's are the same, so that nothing but the base URL differs."""


ACCOUNT_WIDE = ("files", "batch", "fine_tuned", "response_followed")
"""Cases that reach what is the whole account's, on a native path only by a key whose scopes spell it out."""
SHARED = [
    f"/{root}/{what}*"
    for root in ("openai/v1", "azure/openai")
    for what in ("files", "batches", "fine_tuning", "responses")
]


class Runner(Protocol):
    """Runs the cases of one driver."""

    def run(self, case: str, target: Target) -> dict[str, Any]:
        """Return `{"saw": ...}` or `{"failed": ...}`."""


class Bench:
    """Tries cases and keeps what was seen."""

    def __init__(self, simulator: SimulatedProviders, gateway: RunningGateway, credentials: dict[str, str]) -> None:
        self.simulator = simulator
        self.gateway = gateway
        # Keys of online work: calls of exploration keys would wait as long as the case before was told by a 429.
        desk = KeyDesk(gateway.url, gateway.owner_token)
        online = {"kind": "production", "use_case": "conformance", "expires_in": 3600}
        self.key = desk.issue_any(online, timeout=10).key
        self.key_of_the_account = desk.issue_any({**online, "scopes": {"paths": ["*", *SHARED]}}, timeout=10).key
        self._credentials = credentials
        self._seen: dict[tuple[str, str, str], Any] = {}

    def target(self, sdk: Sdk, lane: str, case: str) -> Target:
        """Return where an SDK is pointed in a lane."""
        key = self._credentials[sdk.provider] if lane == "direct" else self.key
        if lane == "native" and case in ACCOUNT_WIDE:
            key = self.key_of_the_account
        root = {
            "direct": self.simulator.url + sdk.path,
            "native": f"{self.gateway.url}/{sdk.provider}{sdk.path}",
            "unified": f"{self.gateway.url}/v1",
        }[lane]
        return Target(root, key, MODELS[sdk.provider], sdk.flavour)

    def see(self, sdk: Sdk, lane: str, case: str, runner: Runner) -> Any:
        """Return what an SDK saw; the gateway's key must not have reached a provider meanwhile."""
        place = (sdk.name, lane, case)
        if place not in self._seen:
            self._seen[place] = self._try(sdk, lane, case, runner)
        return self._seen[place]

    def _try(self, sdk: Sdk, lane: str, case: str, runner: Runner) -> Any:
        self.simulator.clear()
        if fault := FAULTS.get(case):
            self.simulator.fail(**fault, provider=sdk.provider)
        told = runner.run(case, self.target(sdk, lane, case))
        assert "saw" in told, told["failed"]
        saw = told["saw"]
        if case == "cancel":
            wait_until(lambda: all(r.ended != "open" for r in self.simulator.requests), "upstream goes on", seconds=5)
            saw = {**saw, "upstream": self.simulator.requests[-1].ended}
        if lane != "direct":
            for request in self.simulator.requests:
                sent = json.dumps([request.path, request.query, request.headers])
                assert self.key not in sent, "the gateway's key went upstream"
                assert self.key_of_the_account not in sent, "the gateway's key went upstream"
        return saw
