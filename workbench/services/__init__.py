"""Find, start and watch our processes: the embedded gateway, and what stands beside it. Used by the CLI and Jupyter.

Its names load when they are used: `python -m workbench.services.guard` stands beside every child and must stay small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.services.embedded import EmbeddedGateway as EmbeddedGateway
    from workbench.services.embedded import GatewayAddress as GatewayAddress
    from workbench.services.embedded import running_gateway as running_gateway
    from workbench.services.leases import Lease as Lease
    from workbench.services.leases import held_leases as held_leases
    from workbench.services.ports import free_port as free_port
    from workbench.services.processes import Process as Process
    from workbench.services.processes import Program as Program
    from workbench.services.processes import stop_all as stop_all

_ROOMS = {
    "embedded": ("EmbeddedGateway", "GatewayAddress", "running_gateway"),
    "leases": ("Lease", "held_leases"),
    "ports": ("free_port",),
    "processes": ("Process", "Program", "stop_all"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "EmbeddedGateway",
    "GatewayAddress",
    "Lease",
    "Process",
    "Program",
    "free_port",
    "held_leases",
    "running_gateway",
    "stop_all",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'workbench.services' has no attribute {name!r}")
    return getattr(import_module(f"workbench.services.{_ROOM_OF[name]}"), name)
