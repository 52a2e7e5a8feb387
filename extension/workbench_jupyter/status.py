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

    async def look(self) -> dict[str, Any]:
        """Return what may be told, the gateway's state as it is now."""
        seen = await self.broker.look()
        return {
            "gateway": {
                "url": self.broker.url,
                "kind": "configured" if self.broker.configured_url else "embedded",
                "state": seen.state,
                "problem": problem(seen.error) if seen.error else None,
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
        "problem": problem(mounted.error) if mounted.error else None,
    }


def problem(error: WorkbenchError) -> dict[str, Any]:
    """Return what may be told of an error: `{message, hint, code}`."""
    return {"message": error.message, "hint": error.hint, "code": error.error_code}
