"""Read a folder of Markdown and text into documents. Nothing outside the folder is read, whatever it links to."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import InvalidInput

SUFFIXES = (".md", ".markdown", ".txt")


@dataclass(frozen=True)
class Document:
    """One file of the folder."""

    path: str
    """Path below the folder, with `/`."""
    text: str
    """Content, as `Path.read_text("utf-8-sig")` gives it: no byte-order mark, line ends as LF."""
    hash: str
    """SHA-256 of the text, in hex."""

    @property
    def markdown(self) -> bool:
        """Whether headings are to be looked for."""
        return not self.path.lower().endswith(".txt")


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: str
    """Path below the folder."""
    reason: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Loaded:
    """What a folder held."""

    documents: tuple[Document, ...]
    """Sorted by path; empty files are left out."""
    skipped: tuple[Skipped, ...]
    """Files that can't be read as documents."""


@dataclass(frozen=True)
class Limits:
    """How much is read."""

    file_bytes: int = 5_000_000
    """Largest file, in bytes."""
    files: int = 10_000
    """Most documents in a folder."""
    total_bytes: int = 500_000_000
    """All documents together, in bytes."""


def load_folder(
    folder: str | Path, *, limits: Limits | None = None, on_error: Literal["raise", "skip"] = "raise"
) -> Loaded:
    """Read all `.md`, `.markdown` and `.txt` files below a folder; hidden files and folders are passed over.

    A link inside the folder is passed over, since its target is read under its own name; a link that leaves the
    folder, a file that is not UTF-8 and one that is too large are problems. With `on_error="raise"` all of them are
    told in one InvalidInput, with "skip" they are listed in the result. A missing folder or too many files always
    raise.
    """
    limits = limits or Limits()
    root = existing_folder(folder)
    documents: list[Document] = []
    problems: list[Skipped] = []
    total = 0
    for path in _files(root, problems):
        name = path.relative_to(root).as_posix()
        try:
            raw = _read(path, limits.file_bytes)
            document = _document(name, raw)
        except _NotADocument as error:
            problems.append(Skipped(name, str(error)))
            continue
        total += len(raw)
        if document.text.strip():
            documents.append(document)
        if len(documents) > limits.files or total > limits.total_bytes:
            raise InvalidInput(
                f"The folder {root} holds more than {limits.files:,} documents or {limits.total_bytes:,} bytes.",
                hint="Ingest its parts into indexes of their own, or pass larger limits.",
            )
    if problems and on_error == "raise":
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise InvalidInput(
            f"{len(problems)} of the files in {root} can't be read as documents:\n{shown}{more}",
            hint='Mend them, or leave them out with on_error="skip" (--skip-unreadable).',
        )
    return Loaded(tuple(sorted(documents, key=lambda document: document.path)), tuple(problems))


def existing_folder(folder: str | Path) -> Path:
    """Return the folder, or raise InvalidInput where there is none."""
    root = Path(folder)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise InvalidInput(f"The folder {root} {what}.", hint="Name a folder that holds .md or .txt files.")
    return root


class _NotADocument(Exception):
    """One file can't be taken."""


def _files(root: Path, problems: list[Skipped]) -> Iterator[Path]:
    inside = root.resolve()
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [*folders, *sorted(names)]:
            path = here / name
            if name.startswith(".") or not path.is_symlink():
                continue
            if not path.resolve().is_relative_to(inside):
                problems.append(Skipped(path.relative_to(root).as_posix(), "a link that leaves the folder"))
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.is_symlink() or path.suffix.lower() not in SUFFIXES:
                continue
            yield path


def _read(path: Path, limit: int) -> bytes:
    """Read a regular file; one that was swapped for a link or a pipe since the walk is refused."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _NotADocument(error.strerror or "can't be opened") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _NotADocument("not a regular file")
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise _NotADocument(f"larger than {limit:,} bytes")
    return raw


def _document(name: str, raw: bytes) -> Document:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _NotADocument(f"not UTF-8 at byte {error.start} (0x{raw[error.start]:02x}); save it as UTF-8") from error
    if "\x00" in text:
        raise _NotADocument("holds NUL bytes, so it is no text")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Document(name, text, hashlib.sha256(text.encode()).hexdigest())
