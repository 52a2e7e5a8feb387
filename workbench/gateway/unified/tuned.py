"""Models that were tuned: their makers may use one if they may use the model that it was made from."""

from __future__ import annotations

import re

from workbench.gateway.access.keys import Key
from workbench.gateway.routing.models import Model, Models

EDITION = r"(-\d[\d-]*)?"
"""What a provider may put behind the name of the model that was asked for: the day of its edition."""


def may_use(model: Model, key: Key, models: Models) -> bool:
    """Tell whether a key's scopes name a model, or what the key's own people have tuned it from."""
    if key.scopes.allow_model(model.name):
        return True
    base, provider = model.facts.get("fine_tuned_from"), model.deployments[0].provider
    if model.audience is None or not isinstance(base, str):
        return False
    return any(
        deployment.provider == provider and re.fullmatch(f"{re.escape(deployment.model)}{EDITION}", base)
        for known in models.visible(key)
        if key.scopes.allow_model(known.name)
        for deployment in known.deployments
    )
