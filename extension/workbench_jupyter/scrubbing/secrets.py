"""The secrets that a Jupyter server has, told to whoever takes them out of what is saved."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable

from workbench_jupyter.variables import SERVER_ONLY

_KEYS = 16  # of the newest; looking for one costs 10 ms in 10 MB, and older ones are known by their shape


class ServerSecrets:
    """The newest keys, the server's own tokens, and the credentials of providers in its environment."""

    def __init__(self, *, credentials: Callable[[], Iterable[str]], token: Callable[[], str]) -> None:
        self._credentials = credentials
        """Names of the variables that hold the gateway's credentials."""
        self._token = token
        """By which a browser signs in to this server."""
        self._keys: deque[str] = deque(maxlen=_KEYS)

    def add_key(self, key: str) -> None:
        """Take in a key that was issued to this server."""
        self._keys.append(key)

    def all(self) -> tuple[str, ...]:
        """Return what is never to stand in a notebook."""
        values = [os.environ.get(name, "") for name in (*SERVER_ONLY, *self._credentials())]
        return (*self._keys, *filter(None, [self._token(), *values]))
