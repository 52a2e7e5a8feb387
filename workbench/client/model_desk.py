"""What an admin may do with the models of a running gateway: register them, and see to the embedded ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from workbench.client.desk import Desk

_LOADING_SECONDS = 240.0
_TIMEOUT = 30.0


@dataclass(frozen=True)
class ModelDesk(Desk):
    """`/admin/v1/models`, `/admin/v1/local` and `/admin/v1/reload` of one gateway."""

    def reload(self) -> dict[str, Any]:
        """Have the gateway read its configuration again; return what changed."""
        return dict(self.ask("POST", "/admin/v1/reload", {}, timeout=_TIMEOUT))

    def catalogue(self) -> list[dict[str, Any]]:
        """Return all models as the catalogue tells of them."""
        return self._rows(self.ask("GET", "/v1/models", None, timeout=_TIMEOUT))

    def registered(self) -> list[dict[str, Any]]:
        """Return the models that were registered beside the configuration's."""
        return self._rows(self.ask("GET", "/admin/v1/models", None, timeout=_TIMEOUT))

    def register(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """Register a model, in force when this returns; raises InvalidInput or Conflict."""
        return dict(self.ask("POST", "/admin/v1/models", dict(registration), timeout=_TIMEOUT))

    def forget(self, name: str) -> None:
        """Take a registered model away; raises NotFound."""
        self.ask("DELETE", f"/admin/v1/models/{quote(name, safe='')}", None, timeout=_TIMEOUT)

    def engines(self) -> list[dict[str, Any]]:
        """Return the embedded models that are in memory."""
        return self._rows(self.ask("GET", "/admin/v1/local", None, timeout=_TIMEOUT))

    def start(self, name: str) -> dict[str, Any]:
        """Load an embedded model; return what `engines` tells of it."""
        return dict(self.ask("POST", f"/admin/v1/local/{quote(name, safe='')}", {}, timeout=_LOADING_SECONDS))

    def stop(self, name: str) -> bool:
        """Take an embedded model out of memory; return whether it was there."""
        answer = self.ask("DELETE", f"/admin/v1/local/{quote(name, safe='')}", None, timeout=_TIMEOUT)
        return bool(answer["stopped"])

    def _rows(self, answer: Any) -> list[dict[str, Any]]:
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error
