"""Is everything still what was published? The gateway's record, checked here once more, and MLflow beside it.

MLflow's registry is mutable: a reserved tag rewrites a text, an alias moves, a version is deleted. The record says
what was meant. An anchor, a small file kept elsewhere, shows that the record itself was not written anew as a whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.registry import alias_in_registry, difference_in_registry
from workbench.wire.record_chain import first_broken
from workbench.wire.whole_file import write_whole

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what was wrong."""

    records: int
    """Records of the chain."""
    record_hash: str
    """Hash of the last one: whoever keeps it can show later that none was changed."""
    prompts: int
    """Prompts that are live, each compared with MLflow."""
    problems: tuple[str, ...]
    """What is not as it was published; empty: nothing was found."""
    anchored: bool = False
    """Whether the record was held against an anchor from before."""

    def __str__(self) -> str:
        anchored = ", held against its anchor" if self.anchored else ""
        head = f"{self.records} records{anchored}, {self.prompts} live prompts compared with MLflow"
        return "\n".join([f"{head}: {'whole' if not self.problems else 'NOT whole'}.", *self.problems])


def verify(*, anchor: Path | None = None, gateway: Gateway | None = None, tracker: Tracker | None = None) -> Verified:
    """Check the whole record, link by link, and compare every live prompt with MLflow's text, version and alias.

    `anchor` is a file that holds where the record ended before; it is written anew where nothing is wrong with the
    record. What is wrong is returned, not raised; what can't be asked is raised.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    desk = gateway.promotion
    told, records = desk.verify(), desk.record()
    problems = [] if told["whole"] else [str(told["problem"])]
    broken = first_broken(records)
    if broken is not None:
        problems.append(f"Record {broken} that the gateway tells is not what was written.")
    before = _read(anchor) if anchor is not None else None
    if before is not None and _hash_at(records, before["seq"]) != before["record_hash"]:
        problems.append(
            f"The record was written anew: its record {before['seq']} is not the one of the anchor {anchor}, "
            f"{before['record_hash'][:12]}..."
        )
    head = {"seq": len(records), "record_hash": records[-1]["record_hash"]} if records else None
    if anchor is not None and head is not None and not problems:
        _write(anchor, head)
    live = gateway.live_prompts()
    for row in live:
        problems += _beside(row["name"], row["alias"], gateway, tracker)
    return Verified(
        len(records), head["record_hash"] if head else "", len(live), tuple(problems), anchored=before is not None
    )


def _beside(name: str, alias: str, gateway: Gateway, tracker: Tracker) -> list[str]:
    """Return what MLflow says otherwise of a prompt that is live."""
    try:
        live = gateway.published(name, alias)
    except WorkbenchError as error:
        return [f"{name}@{alias}: {error.message}"]
    found = []
    if said := difference_in_registry(live, tracker):
        found.append(said)
    held = alias_in_registry(name, alias, tracker)
    if held != live.version:
        to = f"v{held}" if held else "nothing"
        found.append(
            f"MLflow's alias {name}@{alias} points to {to}; v{live.version} is live: `workbench prompts sync`."
        )
    return found


def _read(anchor: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(anchor.read_text("utf-8"))
        return {"seq": int(found["seq"]), "record_hash": str(found["record_hash"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{anchor} holds no anchor: {error}.", hint="Name another file, or remove it.") from error


def _write(anchor: Path, head: dict[str, Any]) -> None:
    try:
        write_whole(anchor, json.dumps(head).encode(), draft=anchor.with_suffix(".draft"))
    except OSError as error:
        raise InvalidInput(
            f"The record is whole, but the anchor {anchor} can't be written: {error}.",
            hint="Name a file in a folder that is there.",
            param="anchor",
        ) from error


def _hash_at(records: list[dict[str, Any]], seq: int) -> str | None:
    return str(records[seq - 1]["record_hash"]) if 0 < seq <= len(records) else None
