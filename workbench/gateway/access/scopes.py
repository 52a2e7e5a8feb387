"""What a key may use, as shell patterns in which `*` crosses `/`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

_EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class Scopes:
    """Patterns for each thing that a key can be held to; `*` is everything."""

    models: tuple[str, ...] = _EVERYTHING
    """Names of models, as callers write them."""
    providers: tuple[str, ...] = _EVERYTHING
    """Names of providers."""
    paths: tuple[str, ...] = _EVERYTHING
    """Paths of the gateway."""

    def as_dict(self) -> dict[str, list[str]]:
        """Return the scopes as they are told to callers."""
        return {name: list(patterns) for name, patterns in asdict(self).items()}

    def allow_model(self, model: str) -> bool:
        """Tell whether a model may be used."""
        return _matches(self.models, model)

    def allow_provider(self, provider: str) -> bool:
        """Tell whether a provider may be used."""
        return _matches(self.providers, provider)

    def allow_path(self, path: str) -> bool:
        """Tell whether a path may be called."""
        return _matches(self.paths, path)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return patterns == _EVERYTHING or any(fnmatchcase(name, pattern) for pattern in patterns)
