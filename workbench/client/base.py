"""What the sync and the async client share: everything but I/O."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

from workbench.client import pictures, requests
from workbench.client.asks import Ask

Prompt = str | Sequence[Mapping[str, Any]]


class Base:
    """A gateway that was found, and a source of keys for it."""

    def __init__(self, *, url: str | None, key: str | None) -> None:
        from workbench.client import find, sdk  # noqa: PLC0415 - the SDK takes half a second: here, not at the import

        self._sdk = sdk
        self._keys = find.find_keys(url=url, key=key)
        self._closing = weakref.finalize(self, self._keys.close)

    @property
    def url(self) -> str:
        """Root URL of the gateway."""
        return self._keys.url

    def lend(self, other: Base) -> None:
        """Give another client this one's keys; they stay this one's, which closes them."""
        other._sdk, other._keys = self._sdk, self._keys
        other._closing = weakref.finalize(other, int)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self._keys.url!r})"

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"A {name} holds connections and a key: do not copy or pickle it, make a {name}() where it is used."
        )

    def _places(self) -> list[Path]:
        """Return the folders in which this process may keep what outlives it: the home, or that of the key file."""
        from workbench.settings import mounted_environment  # noqa: PLC0415 - loads pydantic: not at the import

        mounted = mounted_environment()
        return [mounted.home, *([mounted.key_file.parent] if mounted.key_file is not None else [])]

    def _translated(self) -> AbstractContextManager[None]:
        return self._sdk.translated(self._keys)

    def _chat(
        self,
        prompt: Prompt,
        model: str,
        tags: Mapping[str, str] | None,
        parameters: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> dict[str, Any]:
        known = self._sdk.CHAT_PARAMETERS
        return requests.chat_arguments(
            prompt, model=model, tags=tags, parameters=parameters, known=known, stream=stream
        )

    def _pictures(
        self,
        prompt: str,
        *,
        model: str,
        image: bytes | None,
        mask: bytes | None,
        tags: Mapping[str, str] | None,
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        known = self._sdk.GENERATE_PARAMETERS if image is None else self._sdk.EDIT_PARAMETERS
        return pictures.arguments(
            prompt, model=model, image=image, mask=mask, tags=tags, parameters=parameters, known=known
        )

    def _request(self, ask: Ask[Any]) -> dict[str, Any]:
        """Return the arguments of the SDK's `get` or `post`."""
        url = self._keys.url
        options = self._sdk.request_options(query=ask.query, as_identity=ask.as_identity, once=ask.once)
        body = {} if ask.body is None else {"body": ask.body}
        return {"path": url + ask.path, "cast_to": object, "options": options, **body}
