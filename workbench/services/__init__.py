"""Find, start and watch our processes: the embedded gateway, and what stands beside it. Used by the CLI and Jupyter."""

from __future__ import annotations

from workbench.services.embedded import EmbeddedGateway, GatewayAddress, running_gateway
from workbench.services.leases import Lease, held_leases
from workbench.services.ports import free_port
from workbench.services.processes import Process, Program, stop_all

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
