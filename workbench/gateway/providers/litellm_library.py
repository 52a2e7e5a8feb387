"""litellm, loaded with the first call that needs it, and kept from everything but translating."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

PLACEHOLDER = "key-of-the-gateway"
"""Given to litellm in place of a key, so that it takes none from the environment; never sent."""


def load() -> None:
    """Import litellm, told to fetch nothing, to read no `.env`, and to write to nobody's terminal. Takes seconds."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_BLOG_POSTS"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydantic\.")  # of the types that litellm draws
    import litellm  # noqa: PLC0415 - the first call pays and not the start

    litellm.suppress_debug_info = True
    litellm.drop_params = litellm.modify_params = False  # whatever the environment says: nothing is dropped in silence
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)


class Silent:
    """Stands where litellm wants to log; some of its parsers look here for what was asked."""

    def __init__(self, optional_params: dict[str, Any]) -> None:
        self.optional_params = optional_params
        self.model_call_details: dict[str, Any] = {"optional_params": optional_params}

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_options: None
