"""Prompts as files under version control: a folder for each dot of a name, a TOML file for each prompt, both ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InvalidInput, NotFound
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.difference import diff
from workbench.prompts.folder import names, wanted
from workbench.prompts.prompt_file import read_prompt
from workbench.prompts.prompt_toml import write_prompt
from workbench.prompts.registry import keep, load
from workbench.wire.whole_file import write_whole

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.prompts.prompt import Prompt
    from workbench.tracking.tracker import Tracker

_SUFFIX = ".toml"
_EMPTY = "%"
"""Stands for nothing between two dots, which no folder can be called."""
State = Literal["same", "written", "registered", "older", "differs", "missing", "new", "extra"]
_SETTLED: tuple[State, ...] = ("same", "written", "registered")
_TOLD: dict[State, str] = {
    "same": "as it is",
    "written": "written",
    "registered": "registered",
    "older": "an older version says this",
    "differs": "differs",
    "missing": "has no file yet",
    "new": "is not registered yet",
    "extra": "a file without such a prompt",
}


@dataclass(frozen=True)
class FileState:
    """How a file and a prompt stand to each other."""

    name: str
    """The prompt."""
    path: str
    """Its file, as seen from the folder."""
    state: State
    """`same`, `written` or `registered`: they agree. `older`: the file says what an older version than the latest
    does. `differs`; `missing`: no file; `new`: no prompt; `extra`: a file of no prompt that is exported."""
    version: int | None = None
    """The version that the file says; where they do not agree, the latest one."""
    detail: str = ""
    """What differs, as a unified diff from the registry to the file (import) or the other way (export)."""

    def __str__(self) -> str:
        version = f" (v{self.version})" if self.version is not None else ""
        return f"{self.path}: {self.name}{version} {_TOLD[self.state]}" + (f"\n{self.detail}" if self.detail else "")


@dataclass(frozen=True)
class FileReport:
    """What was written or registered, and what does not agree; true if all do."""

    states: tuple[FileState, ...]
    """One for each file or prompt, by name."""

    @property
    def open(self) -> tuple[FileState, ...]:
        """Those that do not agree."""
        return tuple(each for each in self.states if each.state not in _SETTLED)

    def __bool__(self) -> bool:
        return not self.open

    def __str__(self) -> str:
        told = [str(each) for each in self.states if each.state != "same"]
        same = len(self.states) - len(told)
        return "\n".join([*told, *([f"{same} as they are."] if same or not told else [])])

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"agree": bool(self), "files": [asdict(each) for each in self.states]}


def export_files(
    directory: str | Path,
    *,
    folder: str | None = None,
    match: str | None = None,
    alias: str | None = None,
    check: bool = False,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> FileReport:
    """Write the latest version of each prompt into a folder, or with `alias` what is live under it.

    `support.summary` becomes `support/summary.toml`; the same prompt always gives the same bytes. `folder` and `match`
    choose as in `names`. `check=True` writes nothing and tells what differs. Files that belong to no prompt are told
    and left alone. Raises IntegrityError for a version that was changed after it was registered, and InvalidInput for a
    folder that can't be written.
    """
    root, tracker = Path(directory), tracker or default_tracker()
    states: list[FileState] = []
    for name in names(folder=folder, match=match, tracker=tracker):
        prompt = _exported(name, alias, gateway=gateway, tracker=tracker)
        if prompt is not None:
            states.append(_export(root, prompt, check=check))
    known = {each.path for each in states}
    for path in _files(root) if root.is_dir() else ():
        shown = path.relative_to(root).as_posix()
        if shown not in known and wanted(_name_of(path.relative_to(root)), folder, match):
            states.append(FileState(_name_of(path.relative_to(root)), shown, "extra"))
    return FileReport(tuple(sorted(states, key=lambda each: each.name)))


def import_files(
    directory: str | Path, *, message: str | None = None, check: bool = False, tracker: Tracker | None = None
) -> FileReport:
    """Register what the files of a folder say; what a version says already makes no new one.

    All files are read before anything is registered. `message` stands for that of a file that has none. `check=True`
    registers nothing and tells what differs from the latest versions. Raises InvalidInput that names every file that
    can't be read, and NotFound where there is no such folder.
    """
    root, tracker = Path(directory), tracker or default_tracker()
    if not root.is_dir():
        raise NotFound(f"There is no folder {root}.", hint="`workbench prompts export DIR` makes one.")
    read = _read(root)
    if check:
        return FileReport(tuple(_compared(path, draft, tracker) for path, draft in read))
    return FileReport(tuple(_import(path, draft, message, tracker) for path, draft in read))


def path_of(name: str) -> Path:
    """Return where a prompt lies in a folder of files."""
    *folders, last = [part or _EMPTY for part in name.split(".")]
    return Path(*folders, f"{last}{_SUFFIX}")


def _name_of(path: Path) -> str:
    parts = [*path.parts[:-1], path.name.removesuffix(_SUFFIX)]
    return ".".join("" if part == _EMPTY else part for part in parts)


def _files(root: Path) -> Iterator[Path]:
    """Return the files of prompts below a folder; what is hidden is passed by."""
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def _exported(name: str, alias: str | None, *, gateway: Gateway | None, tracker: Tracker) -> Prompt | None:
    if alias is None:
        return load(name, tracker=tracker)
    try:
        return load(f"{name}@{alias}", gateway=gateway or default_gateway(), tracker=tracker)
    except NotFound:  # nothing is live under it
        return None


def _export(root: Path, prompt: Prompt, *, check: bool) -> FileState:
    path, text = path_of(prompt.name), write_prompt(prompt)
    file = root / path
    held = file.read_bytes() if file.is_file() else None
    same = FileState(prompt.name, path.as_posix(), "same", prompt.version)
    if held == text.encode():
        return same
    if not check:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, text.encode(), draft=file.with_name(f".{file.name}.{os.getpid()}"))
        except OSError as error:
            raise InvalidInput(f"{file} can't be written: {error}.", param="directory") from error
        return replace(same, state="written")
    if held is None:
        return replace(same, state="missing")
    try:
        found = diff(read_prompt(prompt.name, file), prompt)
        detail = str(found) if found else "only the message, or how it is written, differs"
    except InvalidInput as error:
        detail = error.message
    return replace(same, state="differs", detail=detail)


def _read(root: Path) -> list[tuple[str, Prompt]]:
    read, wrong = [], []
    for file in _files(root):
        path = file.relative_to(root)
        try:
            draft = read_prompt(_name_of(path), file)
            if path != path_of(draft.name):
                raise InvalidInput(f"{file}: the prompt {draft.name!r} belongs into {path_of(draft.name).as_posix()}.")
            read.append((path.as_posix(), draft))
        except InvalidInput as error:
            wrong.append(str(error))
    if wrong:
        raise InvalidInput("\n".join(wrong), param="directory")
    return read


def _compared(path: str, draft: Prompt, tracker: Tracker) -> FileState:
    try:
        held = tracker.list_prompt_versions(draft.name)
    except NotFound:
        held = []
    if not held:
        return FileState(draft.name, path, "new")
    same = next((each for each in held if each.hash == draft.hash and each.intact), None)
    if same is not None and same is held[0]:
        return FileState(draft.name, path, "same", same.version)
    if same is not None:
        return FileState(draft.name, path, "older", same.version, f"the latest is v{held[0].version}")
    detail = str(diff(load(draft.name, tracker=tracker), draft))
    return FileState(draft.name, path, "differs", held[0].version, detail)


def _import(path: str, draft: Prompt, message: str | None, tracker: Tracker) -> FileState:
    before = _compared(path, draft, tracker)
    if before.state in ("same", "older"):
        return before
    kept, _ = keep(draft, message=draft.message or message, origin="import", tracker=tracker)
    return FileState(draft.name, path, "registered", kept.version)
