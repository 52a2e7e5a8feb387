"""What this room asks of a gateway: two verbs. `workbench.Gateway` has them, and so may any other object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.client import Gateway


class RagGateway(Protocol):
    """A gateway, as far as retrieval and answers need one."""

    def chat(
        self, prompt: list[dict[str, Any]], *, model: str, tags: dict[str, str] | None = None, **parameters: Any
    ) -> Any:
        """Return an answer with `text usage cost_usd request_id model finish_reason`."""

    def embed(self, texts: Sequence[str], *, model: str, batch_size: int = 64) -> NDArray[np.float32]:
        """Return one row a text."""


def default_gateway() -> RagGateway:
    """Return the gateway that the environment tells of; raises GatewayUnreachable where there is none."""
    return Gateway()
