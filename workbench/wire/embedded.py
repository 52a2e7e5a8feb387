"""What an embedded gateway and its users leave for one another below the home: a record, a token, leases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from workbench.wire.key_file import write_private

RECORD = "gateway.json"
"""Where the gateway is: `{"pid", "url"}`; there while it runs."""
OWNER_TOKEN = "owner.token"  # noqa: S105 - the name of a file
"""Bearer token of the local owner, mode 0600."""
LEASES = "leases"
"""Folder of `<lease id>.lock` files, each held by a process that uses the gateway."""


@dataclass(frozen=True)
class GatewayRecord:
    """What `gateway.json` tells."""

    pid: int
    """Process id of the gateway."""
    url: str
    """Its root URL, without `/v1`."""


def read_record(home: Path) -> GatewayRecord | None:
    """Return the record, or None where there is none; its process may have been killed since."""
    try:
        fields = json.loads((home / RECORD).read_text("utf-8"))
        return GatewayRecord(pid=int(fields["pid"]), url=str(fields["url"]).rstrip("/"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(home: Path, record: GatewayRecord) -> None:
    """Write the record, all of it or nothing."""
    write_private(home / RECORD, json.dumps({"pid": record.pid, "url": record.url}))


def read_owner_token(home: Path) -> str | None:
    """Return the local owner's token, or None where there is none."""
    try:
        return (home / OWNER_TOKEN).read_text("utf-8").strip() or None
    except OSError:
        return None
