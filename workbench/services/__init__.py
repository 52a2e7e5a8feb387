"""Find, start and watch our processes: the embedded gateway, and what stands beside it. Used by the CLI and Jupyter."""

from __future__ import annotations

from workbench.services.embedded import EmbeddedGateway, GatewayAddress
from workbench.services.leases import Lease
from workbench.services.processes import Process, Program

__all__ = ["EmbeddedGateway", "GatewayAddress", "Lease", "Process", "Program"]
