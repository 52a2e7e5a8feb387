"""The section `[fairness]`: who goes first where a deployment is short."""

from __future__ import annotations

from pydantic import Field

from workbench.settings.table import Table


class FairnessSettings(Table):
    """How a deployment that is short is shared between online work, batch work and exploration."""

    headroom: float = Field(
        0.1, ge=0, lt=1, description="share of a deployment's quota and of its calls at once that batch work and "
        "exploration leave free, so that an online call never waits for them",
    )  # fmt: skip
    exploration_weight: float = Field(
        1.0, gt=0, description="share of all exploration keys together, beside the weights of batch use cases"
    )
    batch_wait: float = Field(
        30, gt=0, description="longest wait of batch work and exploration, in seconds; then they are refused"
    )
    online_wait: float = Field(10, gt=0, description="longest wait of an online call, in seconds")
    longest_queue: int = Field(
        200, ge=1, description="calls of a use case, or of all exploration, that may wait for one deployment"
    )
    gateways: int = Field(
        1, ge=1, description="gateways that share the providers' quotas; each paces itself to its part of them"
    )
