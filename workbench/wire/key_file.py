"""The mounted key: a JSON file, mode 0600, replaced whole, that SDKs of ours re-read when it changes."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workbench.errors import GatewayUnreachable, InvalidInput, WorkbenchError


@dataclass(frozen=True, slots=True)
class MountedKey:
    """What a key file holds."""

    key: str = field(repr=False)
    """The gateway key, `wbx-...` or `wbp-...`."""
    expires_at: str | None
    """UTC time in ISO 8601, or None if the key has no end."""
    gateway_url: str
    """Root URL of the gateway, without `/v1`."""


def read_key_file(path: Path) -> MountedKey:
    """Read a key file; raises InvalidInput where it is missing or not of this shape.

    Raises GatewayUnreachable where the file tells why there is no key (`write_key_problem`).
    """
    try:
        fields = json.loads(path.read_text("utf-8"))
        if "problem" in fields:
            raise GatewayUnreachable(str(fields["problem"]), hint=fields.get("hint"), code=fields.get("code"))
        return MountedKey(str(fields["key"]), fields.get("expires_at"), str(fields["gateway_url"]))
    except OSError as error:
        raise InvalidInput(
            f"The key file {path} can't be read: {error.strerror}.", hint="Restart the kernel to have a key mounted."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"The key file {path} is not a JSON object with key, expires_at and gateway_url.",
            hint="Restart the kernel to have a key mounted.",
        ) from error


def write_private(path: Path, text: str, *, synced: bool = True) -> None:
    """Write a file that only its owner can read, all of it or nothing, replacing what stood there.

    Without `synced` that does not hold after a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_key_file(path: Path, mounted: MountedKey) -> None:
    """Write a key file atomically, mode 0600."""
    write_private(path, json.dumps(asdict(mounted)))


def write_key_problem(path: Path, error: WorkbenchError) -> None:
    """Write why there is no key to the place where it would stand, so that whoever reads it is told."""
    write_private(path, json.dumps({"problem": error.message, "hint": error.hint, "code": error.error_code}))
