"""Files, batches, jobs and the like that an account of a provider holds; no account sees another's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from workbench.simulator.reply import Refused


class Shelves:
    """What one account holds, by kind."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self.new_id = new_id
        """Return an id with a prefix that was not given before."""
        self._shelves: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._contents: dict[str, bytes] = {}

    def keep(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Put a thing with an `id` on the shelf of its kind; return it."""
        self._shelves[kind][thing["id"]] = thing
        return thing

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """Return a thing by its id; raises Refused (404) if there is none."""
        thing = self._shelves[kind].get(name)
        if thing is None:
            raise Refused(404, f"No such {kind}: {name!r}.")
        return thing

    def remove(self, kind: str, name: str) -> None:
        """Take a thing away; raises Refused (404) if there is none."""
        self.find(kind, name)
        del self._shelves[kind][name]
        self._contents.pop(name, None)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the things of a kind, newest first."""
        return list(reversed(self._shelves[kind].values()))

    def write(self, name: str, content: bytes) -> None:
        """Keep the content of a file."""
        self._contents[name] = content

    def read(self, name: str) -> bytes:
        """Return the content of a file; raises Refused (404) if there is none."""
        if name not in self._contents:
            raise Refused(404, f"No such file: {name!r}.")
        return self._contents[name]
