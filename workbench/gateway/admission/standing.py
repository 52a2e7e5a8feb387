"""How a subject stands: what it is held to, what it has used, what is left. The counters' lock is held."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.times import utc_text


def standing_for_caller(gauge: Gauge, now: int) -> dict[str, Any]:
    """Return what the holder of a key may know of a subject that holds it."""
    terms = gauge.terms
    return {
        "subject": terms.subject.kind,
        "name": terms.subject.name,
        "limits": msgspec.to_builtins(terms.limits),
        "budget": msgspec.to_builtins(terms.budget) or None,
        "left": gauge.left(now),
        "when_exhausted": terms.when_exhausted,
    }


def standing(gauge: Gauge, now: int) -> dict[str, Any]:
    """Return all that is known of a subject."""
    terms, clock = gauge.terms, time.time()
    raises = [
        {"id": one.id, **msgspec.to_builtins(one.budget), "until": utc_text(one.until)}
        for one in terms.raises
        if one.until > clock
    ]
    return {
        **standing_for_caller(gauge, now),
        "rule": terms.rule,
        "shadow": terms.shadow,
        "shadow_refusals": gauge.shadow_refusals,
        "stopped": gauge.stopped,
        "raises": raises,
        "used": gauge.used(),
    }
