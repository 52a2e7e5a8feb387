"""What a key may use, as shell patterns in which `*` crosses `/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import translate
from functools import lru_cache

_EVERYTHING = ("*",)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Scopes:
    """Patterns for each thing that a key can be held to; `*` is everything."""

    models: tuple[str, ...] = _EVERYTHING
    """Names of models, as callers write them; those of a provider's own path as `{provider}/{model}`."""
    providers: tuple[str, ...] = _EVERYTHING
    """Names of providers."""
    paths: tuple[str, ...] = _EVERYTHING
    """Paths of the gateway."""
    features: tuple[str, ...] = _EVERYTHING
    """Features, as `features.py` lists them."""

    def as_dict(self) -> dict[str, list[str]]:
        """Return the scopes as they are told to callers; features only where they are bounded."""
        told = {name: list(patterns) for name, patterns in asdict(self).items()}
        if self.features == _EVERYTHING:
            del told["features"]
        return told

    def allow_model(self, model: str) -> bool:
        """Tell whether a model may be used."""
        return _matches(self.models, model)

    def allow_native(self, provider: str, model: str) -> bool:
        """Tell whether a provider's own model may be used on its native paths."""
        return self.allow_provider(provider) and self.allow_model(f"{provider}/{model}")

    def allow_provider(self, provider: str) -> bool:
        """Tell whether a provider may be used."""
        return _matches(self.providers, provider)

    def allow_feature(self, feature: str) -> bool:
        """Tell whether a feature may be used."""
        return _matches(self.features, feature)

    def allow_path(self, path: str) -> bool:
        """Tell whether a path may be called."""
        return _matches(self.paths, path)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return patterns == _EVERYTHING or _matcher(patterns)(name)


@lru_cache(maxsize=4096)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return what tells whether one of the patterns fits; made once for each key's list, however long that is."""
    plain = frozenset(pattern for pattern in patterns if not _MAGIC.search(pattern))
    others = [re.compile(translate(pattern)).match for pattern in patterns if pattern not in plain]
    return lambda name: name in plain or any(fits(name) for fits in others)
