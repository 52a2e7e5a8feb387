"""A key that was issued to be written to a file: where it can't be, it is revoked, since nobody else ever sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from workbench.client.desk import Desk
from workbench.client.key_desk import IssuedKey, KeyDesk
from workbench.errors import InvalidInput, WorkbenchError

_TIMEOUT = 10.0


@contextmanager
def revoked_unless_written(desk: Desk | None, issued: IssuedKey | None) -> Iterator[None]:
    """Revoke a key where the block fails; raises InvalidInput for an OSError."""
    try:
        yield
    except BaseException as error:
        if desk is not None and issued is not None:
            with suppress(WorkbenchError):
                KeyDesk(desk.url, desk.token).revoke(issued.id, timeout=_TIMEOUT)
        if isinstance(error, OSError):
            ended = "" if issued is None else f" Key {issued.id} was revoked."
            raise InvalidInput(
                f"{error.filename or 'The file'} can't be written: {error.strerror}.{ended}",
                hint="Choose another folder.",
            ) from error
        raise
