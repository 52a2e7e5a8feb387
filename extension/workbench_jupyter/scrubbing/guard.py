"""The guard at a contents manager: no notebook passes it with a key in it, however it is saved.

It stands behind the hooks that the user configured, which work on. Text files stay what their author wrote.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import logging
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.checkpoints import GenericCheckpointsMixin
from jupyter_server.services.contents.filecheckpoints import FileCheckpoints
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.utils import to_os_path

from workbench_jupyter.scrubbing.files import scrub_file, scrubbed_text
from workbench_jupyter.scrubbing.notebooks import scrub_notebook
from workbench_jupyter.scrubbing.texts import Scrubber

_NOTEBOOK = ".ipynb"
_log = logging.getLogger(__name__)


class LeakGuard:
    """Scrubs what is saved; `secrets` are asked for at each save."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets
        self._contents: Any = None
        self._known_checkpoints: set[str] = set()
        self._in_pieces: set[str] = set()
        self._warned: set[str] = set()

    def install(self, contents: Any) -> None:
        """Stand behind the hooks of a contents manager, and at its checkpoints; at the same one twice is fine."""
        if contents is self._contents:
            return
        self._contents = contents
        contents.register_pre_save_hook(self.before_save)
        contents.register_post_save_hook(self.after_save)
        if not isinstance(contents, FileContentsManager):
            # Jupyter's own managers run the hooks at every save; others may run none, or only the configured one.
            contents.save = self._guarded_save(contents.save)
        if _keeps_files(contents.checkpoints):
            self._guard_checkpoints(contents)

    def before_save(self, *, model: dict[str, Any], path: str, **_: Any) -> None:
        """Scrub what is about to be saved: Jupyter's pre-save hook."""
        if model.get("type") == "notebook" and isinstance(model.get("content"), dict):
            self._scrub_notebook(model["content"], path)
        elif path.endswith(_NOTEBOOK) and isinstance(model.get("content"), str):
            self._scrub_notebook_as_text(model, path)
        if path.endswith(_NOTEBOOK) and path not in self._known_checkpoints:
            self._known_checkpoints.add(path)
            self._scrub_old_checkpoint(path)

    def after_save(self, *, model: dict[str, Any], os_path: str, **_: Any) -> None:
        """Scrub a notebook that was uploaded in pieces, now that it is whole: Jupyter's post-save hook."""
        path = str(model.get("path", "")).strip("/")
        if path in self._in_pieces:
            self._in_pieces.discard(path)
            scrub_file(Path(os_path), self._scrubber())

    def _scrubber(self) -> Scrubber:
        return Scrubber(self._secrets())

    def _scrub_notebook(self, content: dict[str, Any], path: str) -> None:
        removed = scrub_notebook(content, self._scrubber())
        if removed.sources and path not in self._warned:
            self._warned.add(path)
            _log.warning(
                "workbench: %s was saved with a mark in the place of a key that stood in a cell. "
                "Keys are mounted: no notebook has to hold one. The kernel has it still; if others may have seen it, "
                "revoke it.",
                path,
            )

    def _scrub_notebook_as_text(self, model: dict[str, Any], path: str) -> None:
        """Scrub a notebook that is saved as a plain file: by an editor, or as an upload."""
        if model.get("chunk") is not None:
            self._in_pieces.add(path)  # it is looked at when it is whole
        elif model.get("format") == "base64":
            try:
                text = base64.b64decode(model["content"]).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return
            if (scrubbed := scrubbed_text(text, self._scrubber())) != text:
                model["content"] = base64.b64encode(scrubbed.encode()).decode()
        else:
            model["content"] = scrubbed_text(model["content"], self._scrubber())

    def _guarded_save(self, save: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(save)
        def guarded(model: dict[str, Any], path: str = "", *args: Any, **kwargs: Any) -> Any:
            self.before_save(model=model, path=path.strip("/"))
            return save(model, path, *args, **kwargs)

        return guarded

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _scrub_old_checkpoint(self, path: str) -> None:
        """Scrub what was kept of a notebook before this server had a guard."""
        checkpoints = self._contents.checkpoints
        if _keeps_files(checkpoints):
            scrub_file(Path(checkpoints.checkpoint_path("checkpoint", path)), self._scrubber())

    def _guard_checkpoints(self, contents: Any) -> None:
        """Scrub each copy that is made of a file, there and back: a program may have put a key into the file."""
        checkpoints = contents.checkpoints

        def made(_: Any, path: str) -> str:
            return str(checkpoints.checkpoint_path("checkpoint", path))

        def restored(_: Any, __: str, path: str) -> str:
            return str(to_os_path(path, contents.root_dir))

        checkpoints.create_checkpoint = self._then_scrubbed(checkpoints.create_checkpoint, made)
        checkpoints.restore_checkpoint = self._then_scrubbed(checkpoints.restore_checkpoint, restored)

    def _then_scrubbed(self, copy: Callable[..., Any], target: Callable[..., str]) -> Callable[..., Any]:
        def scrub(*args: Any) -> None:
            if (file := target(*args)).endswith(_NOTEBOOK):
                scrub_file(Path(file), self._scrubber())

        @wraps(copy)
        def copied(*args: Any) -> Any:
            result = copy(*args)
            scrub(*args)
            return result

        @wraps(copy)
        async def copied_later(*args: Any) -> Any:
            result = await copy(*args)
            scrub(*args)
            return result

        return copied_later if inspect.iscoroutinefunction(copy) else copied


def _keeps_files(checkpoints: Any) -> bool:
    """Return whether checkpoints are copies of files; others are saved by the contents manager, through its hooks."""
    return isinstance(checkpoints, FileCheckpoints) and not isinstance(checkpoints, GenericCheckpointsMixin)
