"""An offer to add what is found on this machine, shown once for a home; one press makes it callable.

A kernel has no right to administer. The press takes the local owner's, whose token its user can read, for the embedded
gateway of this home alone; a gateway that others run takes providers from those who run it.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.client.find import same_origin
from workbench.client.model_desk import ModelDesk
from workbench.client.onboarding import put_provider
from workbench.errors import Conflict, NotFound, PermissionDenied, WorkbenchError
from workbench.interactive.found import Found, look
from workbench.settings import CONFIG_NAME, config_path, home_folder, load_settings, mounted_environment
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import button, controls
from workbench.wire.embedded import read_owner_token, read_record
from workbench.wire.key_file import write_private

_ADD, _DISMISS = "add", "dismiss"
_MARK = "offered"
"""File below home that tells that the offer was shown."""


class Offer(Exhibit):
    """What was found; `add` makes it callable."""

    def __init__(self, found: Sequence[Found]) -> None:
        super().__init__()
        self.found = list(found)
        """What is not yet added."""
        self._written: Path | None = None
        self._dismissed = False

    def add(self, *names: str) -> str:
        """Add these providers, or all that were found, to the embedded gateway; return what was done, in words.

        They are written to workbench.toml in the home, which is made for it, and are in force at once. Raises NotFound
        for a name that was not found, PermissionDenied for a gateway that others run, Conflict where there is a
        configuration that somebody wrote: that is changed by the commands that the offer shows.
        """
        wanted = [self._one(name) for name in names] or list(self.found)
        if not wanted:
            return "There is nothing to add."
        desk, path = _desk(), home_folder() / CONFIG_NAME
        standing = config_path()
        if standing is not None and standing != self._written:
            raise Conflict(
                f"There is a configuration, {standing}, which is yours to change.",
                hint="In a terminal: " + " ; ".join(each.command for each in wanted),
            )
        told = []
        for each in wanted:
            try:
                put_provider(desk, path, each.name, each.entry, models=each.models)
            except WorkbenchError as error:
                if len(wanted) == 1:
                    raise
                told.append(f"{each.what} was not added: {error.message}")
                continue
            self._written = path
            self.found.remove(each)
            told.append(f"{each.what} is added: call {each.callable_as}.")
        if self._written is not None:
            told.append(f"It stands in {self._written}.")
        return " ".join(told)

    def remember(self) -> None:
        """Note in the home that the offer was shown, so that it is not made again of its own accord."""
        write_private(home_folder() / _MARK, "wb.offer() shows again what is found on this machine.\n")

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {each.what}: {each.command}" for each in self.found)])

    def _one(self, name: str) -> Found:
        for each in self.found:
            if each.name == name:
                return each
        here = ", ".join(repr(each.name) for each in self.found) or "nothing"
        raise NotFound(f"{name!r} was not found on this machine.", hint=f"Found: {here}.")

    def _title(self) -> str:
        if not self.found:
            return "Nothing was found on this machine that the gateway does not have."
        return "Found on this machine, and not used by the gateway yet:"

    def _body(self) -> str:
        if self._dismissed:
            return ""
        items = "".join(f"<li>{html.escape(each.what)}</li>" for each in self.found)
        buttons = controls("Offer", button(_ADD, "Add", main=True), button(_DISMISS, "Not now")) if self.found else ""
        return f"<div>{html.escape(self._title())}</div><ul>{items}</ul>{buttons}"

    def _static(self) -> str:
        if self._dismissed:
            return "wb.offer() shows again what is found on this machine."
        items = "".join(
            f"<li>{html.escape(each.what)}: <code>{html.escape(each.command)}</code></li>" for each in self.found
        )
        return f"<div>{html.escape(self._title())}</div><ul>{items}</ul>"

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        del fields
        if verb == _ADD:
            return html.escape(self.add())
        self._dismissed = True
        return "wb.offer() shows it again."


def offer() -> Offer:
    """Look what this machine has that the gateway could use: Ollama, keys of providers, an AWS profile.

    Ollama is asked on loopback; nobody else is asked anything. Press Add, or call `.add()`.
    """
    return Offer(look(load_settings(credentials=False)))


def first_offer() -> Offer | None:
    """Return the offer of a home that has never shown one, where there is something to add; else None.

    A home with a configuration, or a gateway that others run, gets none.
    """
    if (home_folder() / _MARK).exists() or not _is_ours() or config_path() is not None:
        return None
    made = offer()
    return made if made.found else None


def _is_ours() -> bool:
    """Return whether the gateway in use is the embedded one of this home."""
    record, asked = read_record(home_folder()), mounted_environment().gateway_url
    return record is not None and (asked is None or same_origin(record.url, asked))


def _desk() -> ModelDesk:
    record, token = read_record(home_folder()), read_owner_token(home_folder())
    if record is None or token is None or not _is_ours():
        asked = mounted_environment().gateway_url or "that is in use"
        raise PermissionDenied(
            f"The gateway {asked} is not the one of this home, so it takes no provider from here.",
            hint="Ask whoever runs it.",
        )
    return ModelDesk(record.url, token)
