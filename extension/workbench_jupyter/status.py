"""What the extension knows, in the shape of `GET /workbench/api/status`: states and ids, never a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.errors import WorkbenchError
from workbench_jupyter.broker import Broker
from workbench_jupyter.mounts import Mounted, Mounts


@dataclass(frozen=True)
class Status:
    """The state of one server's gateway and mounts."""

    broker: Broker
    """Where keys come from."""
    mounts: Mounts
    """Which kernel has which."""
    untouched: str | None
    """Why kernels are started without a key on purpose; None if they get one."""

    def as_dict(self) -> dict[str, Any]:
        """Return what may be told."""
        return {
            "gateway": {
                "url": self.broker.url,
                "kind": "configured" if self.broker.configured_url else "embedded",
                "state": self.broker.state,
                "problem": _problem(self.broker.error),
            },
            "untouched": self.untouched,
            "relay": self.mounts.relay.as_dict() if self.mounts.relay else None,
            "kernels": [_kernel(mounted) for mounted in self.mounts.all],
        }


def _kernel(mounted: Mounted) -> dict[str, Any]:
    return {
        "kernel_id": mounted.kernel_id,
        "key_id": mounted.key_id,
        "expires_at": mounted.expires_at,
        "mounted": [sdk.name for sdk in mounted.plan.sdks],
        "notices": list(mounted.plan.notices),
        "problem": _problem(mounted.error),
    }


def _problem(error: WorkbenchError | None) -> dict[str, Any] | None:
    return {"message": error.message, "hint": error.hint, "code": error.error_code} if error else None
