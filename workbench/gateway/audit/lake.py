"""The lake: a folder, or whatever fsspec reaches, that the ledger is shipped to as Parquet.

    date=2026-11-22/writer=w0-1a2b3c4d/part-000000000001-000000000900.parquet          rows, all ledger columns
    bodies/date=.../class=.../writer=.../bodies-<first>-<last>.parquet                 kept bodies, packed by zlib
    deleted/date=.../writer=.../deleted-<first>-<last>-<time>.parquet                  tombstones of deleted rows

A writer is named after its spool, too: gateways of several homes may share a lake. pyarrow loads with the first use.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from workbench.errors import InvalidInput, MissingComponent, Unavailable
from workbench.gateway.ledger.chain import Tombstone
from workbench.gateway.ledger.row import COLUMNS, INTEGER, REAL
from workbench.gateway.ledger.schema import BODY_COLUMNS
from workbench.wire.whole_file import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

_PUT_IS_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"})
"""Stores where an object is there whole or not at all; elsewhere a file gets its name when it is complete."""
_ARROW = {"s3": "s3fs", "gs": "gcsfs"}
"""Stores that pyarrow reaches by itself, and the fsspec package that goes before it where there is one."""
_ROWS = re.compile(r"date=(?P<date>[\d-]{10})/writer=(?P<writer>[^/]+)/part-(?P<first>\d+)-(?P<last>\d+)\.parquet")
_BODIES = re.compile(
    r"bodies/date=(?P<date>[\d-]{10})/class=(?P<cls>[^/]*)/writer=(?P<writer>[^/]+)/"
    r"bodies-(?P<first>\d+)-(?P<last>\d+)\.parquet"
)
_DELETED = re.compile(
    r"deleted/date=(?P<date>[\d-]{10})/writer=(?P<writer>[^/]+)/deleted-(?P<first>\d+)-(?P<last>\d+)-\d+\.parquet"
)
_TOMBSTONE = ("writer", "first", "last", "prev_hash", "hash", "deleted_at", "why")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file of the lake."""

    writer: str
    """Whose rows it holds, as `w0-1a2b3c4d`."""
    first: int
    """First row of the shipment that it belongs to."""
    last: int
    """Last row of that shipment; another day's rows of it are in another file."""
    date: str
    """The day on which its calls came."""
    path: str
    """Path below the lake's root."""
    data_class: str | None = None
    """Of bodies: their data class."""


class Lake:
    """Reads and writes whole files. Every function blocks; raises Unavailable where the store fails."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root, self._protocol = _open(url)

    def put(self, path: str, data: bytes) -> None:
        """Write a file so that it is there whole or not at all; what has its name already is replaced."""
        target = f"{self._root}/{path}"
        try:
            if self._protocol == "file":
                _put_here(Path(target), data)
                return
            folder = target.rpartition("/")[0]
            self._fs.makedirs(folder, exist_ok=True)
            if self._protocol in _PUT_IS_ATOMIC:
                self._fs.pipe_file(target, data)
                return
            half = f"{folder}/.half-{os.getpid()}"
            self._fs.pipe_file(half, data)
            if self._fs.exists(target):
                self._fs.rm_file(target)
            self._fs.mv(half, target)
        except Exception as error:
            raise self._failed("written", path, error) from error

    def get(self, path: str) -> bytes:
        """Return a file."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{path}"))
        except Exception as error:
            raise self._failed("read", path, error) from error

    def remove(self, path: str) -> None:
        """Remove a file."""
        try:
            self._fs.rm_file(f"{self._root}/{path}")
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._failed("removed", path, error) from error

    def paths(self) -> list[str]:
        """Return the paths of all files, in order."""
        try:
            self._fs.invalidate_cache()
            if not self._fs.exists(self._root):
                return []
            found = self._fs.find(self._root)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._failed("listed", "", error) from error
        root = self._root.strip("/")
        return sorted(path.strip("/").removeprefix(root).strip("/") for path in found)

    def parts(self, paths: Sequence[str] | None = None) -> list[Part]:
        """Return the files that hold rows, by writer and place in its chain."""
        return _matching(_ROWS, self.paths() if paths is None else paths)

    def bodies(self, paths: Sequence[str] | None = None) -> list[Part]:
        """Return the files that hold bodies."""
        return _matching(_BODIES, self.paths() if paths is None else paths)

    def deleted(self, paths: Sequence[str] | None = None) -> list[Part]:
        """Return the files that hold tombstones."""
        return _matching(_DELETED, self.paths() if paths is None else paths)

    # -- Parquet -----------------------------------------------------------------------------------------------------

    def put_rows(self, path: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write ledger rows."""
        self.put(path, _packed(rows, COLUMNS))

    def put_bodies(self, path: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write kept bodies."""
        self.put(path, _packed(rows, BODY_COLUMNS))

    def put_tombstones(self, path: str, stones: Iterable[Tombstone]) -> None:
        """Write tombstones."""
        self.put(path, _packed(({name: getattr(s, name) for name in _TOMBSTONE} for s in stones), _TOMBSTONE))

    def rows(self, part: Part) -> list[dict[str, Any]]:
        """Return what a file holds, as it stands there."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - loads when it is used

        data = self.get(part.path)
        try:
            found: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
        except Exception as error:
            raise self._failed("read", part.path, error) from error
        return found

    def tombstones(self, part: Part) -> list[Tombstone]:
        """Return the tombstones of a file."""
        return [Tombstone(**row) for row in self.rows(part)]

    def _failed(self, verb: str, path: str, error: Exception) -> Unavailable:
        return Unavailable(
            f"{path or 'The lake'} at {self.url} can't be {verb}: {error!r}.",
            hint="The admin must look at [state] lake; rows stay in the gateway's own file meanwhile.",
            code="lake_unavailable",
        )


def row_path(date: str, writer: str, first: int, last: int) -> str:
    """Return where rows of a day go."""
    return f"date={date}/writer={writer}/part-{first:012d}-{last:012d}.parquet"


def body_path(date: str, data_class: str | None, writer: str, first: int, last: int) -> str:
    """Return where kept bodies of a day and a data class go."""
    named = quote(data_class or "", safe="")
    return f"bodies/date={date}/class={named}/writer={writer}/bodies-{first:012d}-{last:012d}.parquet"


def deleted_path(part: Part, at: int) -> str:
    """Return where tombstones of a file's rows go; `at` tells deletions from one file apart."""
    return f"deleted/date={part.date}/writer={part.writer}/deleted-{part.first:012d}-{part.last:012d}-{at}.parquet"


def _matching(pattern: re.Pattern[str], paths: Iterable[str]) -> list[Part]:
    return sorted(_part(found) for path in paths if (found := pattern.fullmatch(path)))


def _part(found: re.Match[str]) -> Part:
    told = found.groupdict()
    return Part(
        told["writer"], int(told["first"]), int(told["last"]), told["date"], found.string,
        unquote(told["cls"]) or None if "cls" in told else None,
    )  # fmt: skip


def _open(url: str) -> tuple[Any, str, str]:
    try:
        import fsspec  # noqa: PLC0415
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingComponent(
            f"The lake needs the package {error.name!r}.", hint="pip install 'genai-workbench[lake]'"
        ) from error
    protocol = url.partition("://")[0] if "://" in url else "file"
    try:
        if protocol in _ARROW and not _installed(_ARROW[protocol]):
            from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415
            from pyarrow.fs import FileSystem  # noqa: PLC0415

            inner, root = FileSystem.from_uri(url)
            return ArrowFSWrapper(inner), root.rstrip("/"), protocol
        fs, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingComponent(
            f"The lake {url} needs a package: {error}.", hint="Install the fsspec package of that store."
        ) from error
    except Exception as error:
        raise InvalidInput(f"The lake {url} can't be opened: {error!r}.", hint="Check [state] lake.") from error
    return fs, root.rstrip("/"), protocol


def _installed(package: str) -> bool:
    from importlib.util import find_spec  # noqa: PLC0415

    return find_spec(package) is not None


def _put_here(target: Path, data: bytes) -> None:
    """Write a local file, named only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(target, data, draft=target.parent / f".half-{os.getpid()}")


def _packed(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    values = list(rows)
    table = pa.table([pa.array([row[name] for row in values], _type(name)) for name in columns], names=list(columns))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _type(name: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    if name in REAL:
        return pa.float64()
    if name in INTEGER or name in ("first", "last", "request_cut", "response_cut"):
        return pa.int64()
    return pa.binary() if name in ("salt", "request", "response") else pa.string()


def by_shipment(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield the files of each shipment together: the days that its rows are spread over."""
    group: list[Part] = []
    for part in parts:
        if group and (part.writer, part.first) != (group[0].writer, group[0].first):
            yield group
            group = []
        group.append(part)
    if group:
        yield group
