"""An open MLflow store: one writer at a time, retries where sqlite is busy, MLflow's errors in our words."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen

import mlflow.store.db.utils as schema
from alembic.util import CommandError
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.client import TracingClient
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from workbench.errors import Conflict, InvalidInput, NotFound, TrackingError, WorkbenchError

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds to keep trying while another program, which does not know our lock, holds the sqlite file."""
_REACH = 10.0
"""Seconds in which a tracking server must answer when it is first asked."""
_CLASSES: dict[str, type[WorkbenchError]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "NOT_FOUND": NotFound,
    "INVALID_PARAMETER_VALUE": InvalidInput,
    "BAD_REQUEST": InvalidInput,
    "RESOURCE_ALREADY_EXISTS": Conflict,
    "ALREADY_EXISTS": Conflict,
}


class Store:
    """MLflow's clients on one explicit URI, and the lock that orders our writes."""

    def __init__(self, uri: str, home: Path) -> None:
        self.uri = uri
        self.home = home
        self.local = uri.startswith("sqlite:")
        self._turn = threading.RLock()
        self._lock: Any = None
        if self.local:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(home / "mlflow.lock", poll_interval=0.01)
            with self.exclusive():
                self._make_schema()
        else:
            self.reach()
        self.client = self.read(lambda: MlflowClient(tracking_uri=uri, registry_uri=uri))
        self.backend = self.read(lambda: TracingClient(uri).store)
        """MLflow's tracking store. It takes finished traces as they are; the public tracing API takes only live spans
        of the process's global provider, and exports them in the background."""

    @property
    def artifact_root(self) -> Path:
        """Folder of the artefacts of a local store."""
        return self.home / "artifacts"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the writers' lock over several calls, where the second depends on what the first found."""
        with self._turn:
            if self._lock is None:
                yield
                return
            with self._lock:
                yield

    def write(self, action: Callable[[], T]) -> T:
        """Run one write under the lock. Each is one transaction of MLflow, so that a retry writes nothing twice."""
        with self.exclusive():
            return self.read(action)

    def read(self, action: Callable[[], T]) -> T:
        """Run one call of MLflow; wait while sqlite is locked, and raise our errors for MLflow's."""
        deadline = time.monotonic() + _PATIENCE
        pause = 0.02
        while True:
            try:
                return action()
            except (MlflowException, SQLAlchemyError) as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise _translated(error, self.uri) from error
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 2, 1.0)

    def pages(self, page: Callable[[str | None], Any]) -> Iterator[Any]:
        """Yield what a search finds, page by page; `page` takes MLflow's token of a page and returns the page."""
        token: str | None = None
        while True:
            part = self.read(lambda at=token: page(at))  # type: ignore[misc]
            yield from part
            token = part.token
            if not token:
                return

    def reach(self) -> None:
        """Raise TrackingError in seconds if no server is there: MLflow's own retries would take minutes."""
        if not self.uri.startswith(("http://", "https://")):
            return
        try:
            urlopen(f"{self.uri.rstrip('/')}/health", timeout=_REACH).close()  # noqa: S310 - the scheme is checked
        except HTTPError as answer:  # whatever it answers, it is there
            answer.close()
        except OSError as error:
            raise _translated(error, self.uri) from error

    def _make_schema(self) -> None:
        """Make the tables, or bring them up to date. A new file is made beside its place and moved when it is whole.

        The default experiment's artefacts go below home; MLflow would put them in the working folder.
        """
        file = Path(self.uri.removeprefix("sqlite:///"))
        logger = logging.getLogger("mlflow.store.db.utils")
        level = logger.level
        logger.setLevel(logging.WARNING)
        try:
            self.artifact_root.mkdir(exist_ok=True)
            if not file.exists():
                draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
                with _unsynchronised(draft):
                    SqlAlchemyStore(f"sqlite:///{draft}", self.artifact_root.as_uri()).engine.dispose()
                draft.replace(file)
            try:
                SqlAlchemyStore(self.uri, self.artifact_root.as_uri())
            except MlflowException as error:
                if "out-of-date" not in str(error):
                    raise
                engine = schema.create_sqlalchemy_engine_with_retry(self.uri)
                schema._upgrade_db(engine)  # noqa: SLF001 - MLflow offers it only as a command
                engine.dispose()
        except (MlflowException, SQLAlchemyError, CommandError) as error:
            raise _translated(error, self.uri) from error
        finally:
            logger.setLevel(level)


@contextmanager
def _unsynchronised(file: Path) -> Iterator[None]:
    """Let sqlite leave a file to the system's cache while it is made, and bring it to the disk once, at the end.

    MLflow's migrations commit 1,700 times; waiting for the disk each time took half of their six seconds.
    """

    def hurry(connection: Any, _record: Any) -> None:
        if any(Path(name) == file for _, _, name in connection.execute("PRAGMA database_list")):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _is_busy(error: Exception) -> bool:
    text = str(error).lower()
    return "database is locked" in text or "database table is locked" in text


def _translated(error: Exception, uri: str) -> WorkbenchError:
    if isinstance(error, MlflowException):
        known = _CLASSES.get(error.error_code)
        if known is not None:
            return known(str(error.message).removeprefix(f"{error.error_code}: "))
    hint = (
        "Another program holds the file: close it, or try again."
        if _is_busy(error)
        else "Is the tracking server up? `workbench doctor` looks."
        if uri.startswith("http")
        else "`workbench doctor` looks at the file."
    )
    return TrackingError(f"MLflow's store {uri} failed: {str(error).splitlines()[0][:300]}", hint=hint)
