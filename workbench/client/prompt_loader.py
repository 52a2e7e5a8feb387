"""Prompts as an application loads them: from memory within a lease, and never waiting once there is a good version.

One open request tells within a second what was changed (`prompt_watch`); where that fails, the lease runs out and the
gateway is asked in the background. What can't be believed is refused, and the last good version stays.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from workbench.client.answers import read_served
from workbench.client.asks import prompt_path
from workbench.client.prompt_copies import Copies
from workbench.client.prompt_watch import PromptWatch
from workbench.client.results import PublishedPrompt, Served
from workbench.errors import IntegrityError, Unavailable, WorkbenchError

LEASE_SECONDS = 30.0
"""How long a version counts as live without a word of the gateway; an open request gives one more often."""
_BRIEFLY = 3.0
"""Seconds for an answer where there is a copy on disk to fall back on."""
_PATIENTLY = 30.0
_CATCH_UP_SECONDS = 3.0
"""How long a worker of the gateway may take to hear what another one was told."""
_AGAIN_SECONDS = 0.1


class Get(Protocol):
    """Asks the gateway for a path; raises WorkbenchError."""

    def __call__(self, path: str, query: Mapping[str, str], *, within: float, retries: int) -> Any:
        """Return the JSON of the answer."""


@dataclass(frozen=True)
class Loaded:
    """A prompt that was loaded."""

    prompt: PublishedPrompt
    """What is published."""
    served: Served
    """How fresh that is."""


@dataclass
class _Entry:
    prompt: PublishedPrompt
    confirmed_at: float
    """On the monotonic clock."""
    problem: str | None = None
    told: str | None = None
    """The problem that was warned of."""
    refreshing: bool = False
    waits: bool = False
    """Whether this process wrote a record since: the next load waits for what is live by then."""


class PromptLoader:
    """The prompts of one gateway in one process; any thread may load."""

    def __init__(
        self, get: Get, *, url: Callable[[], str], copies: Copies, lease: float = LEASE_SECONDS, watches: bool = True
    ) -> None:
        """Load by `get`; without `watches`, only the lease tells when to ask again."""
        self._get = get
        self._url = url
        self._copies = copies
        self._lease = lease
        self._entries: dict[str, _Entry] = {}
        self._floor = 0
        """The record that every entry must know: where watching began, or what this process wrote."""
        self._changed: dict[str, int] = {}
        """The record that the entry of a reference must know, where it was heard to have changed since."""
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._watch = PromptWatch(get, self.heard) if watches else None

    def load(self, name: str, alias: str) -> Loaded:
        """Return what is live under an alias; only the first load waits for the gateway.

        Raises what the gateway says, or GatewayUnreachable, where there is no good version here nor on disk.
        """
        reference = f"{name}@{alias}"
        with self._lock:
            entry = self._entries.get(reference)
            waits = entry is None or entry.waits
            if entry is not None and not waits and not entry.refreshing and self._age(entry) > self._lease:
                entry.refreshing = True
                threading.Thread(target=self._renew, args=(reference,), name="prompt", daemon=True).start()
        if waits or entry is None:
            entry = self._load_now(reference)
        if self._watch is not None:
            self._watch.begin(self._floor)
        return Loaded(entry.prompt, self._served(reference, entry))

    def wrote(self, record: Any) -> None:
        """Hear that this process wrote a record: the next load of each prompt sees it."""
        seq = record.get("seq") if isinstance(record, dict) else None
        with self._lock:
            if isinstance(seq, int):
                self._floor = max(self._floor, seq)
            for entry in self._entries.values():
                entry.waits = True

    def heard(self, seq: int, changed: frozenset[str] | None) -> None:
        """Take over the gateway's word: by record `seq`, these references were changed; None: the record is another."""
        with self._lock:
            if changed is None:
                self._floor, self._changed = seq, {}
                for entry in self._entries.values():
                    entry.prompt = replace(entry.prompt, seq=0)
            else:
                self._changed.update(dict.fromkeys(changed, seq))
            known = dict(self._entries)
        for reference, entry in known.items():
            if changed is None or entry.problem is not None or entry.prompt.seq < self._needed(reference):
                self._renew(reference)
            else:
                entry.confirmed_at = time.monotonic()
                self._copies.confirm(self._url(), reference)

    def close(self) -> None:
        """Ask no more; what is loaded stays."""
        if self._watch is not None:
            self._watch.close()

    def _load_now(self, reference: str) -> _Entry:
        with self._lock:
            turn = self._turns.setdefault(reference, threading.Lock())
        with turn:  # of those who wait for one prompt, the first asks
            with self._lock:
                entry = self._entries.get(reference)
                if entry is not None and not entry.waits:
                    return entry
                if entry is not None:
                    entry.waits = False
            if entry is not None:
                self._renew(reference)
            else:
                entry = self._first(reference)
                if entry.problem is None and entry.prompt.seq < self._needed(reference):
                    self._renew(reference)
            return self._entries[reference]

    def _first(self, reference: str) -> _Entry:
        copy, refused = None, None
        try:
            copy = self._copies.read(self._url(), reference)
        except IntegrityError as error:
            refused = error
        try:
            within, retries = (_PATIENTLY, 2) if copy is None else (_BRIEFLY, 0)
            return self._keep(reference, *self._ask(reference, within=within, retries=retries))
        except WorkbenchError as error:
            if copy is None or not _may_pass(error):
                if refused is not None:
                    warnings.warn(refused.message, stacklevel=6)
                raise
            confirmed_at = time.monotonic() - max(0.0, time.time() - copy.confirmed_at)
            prompt = replace(copy.prompt, seq=0)  # the record may have been restored since
            return self._keep(reference, _Entry(prompt, confirmed_at, error.message))

    def _renew(self, reference: str) -> None:
        """Ask anew; where that fails, the version that is here stays, with what is wrong."""
        with self._lock:
            entry = self._entries[reference]
            at_least = max(self._needed(reference), entry.prompt.seq)
        try:
            self._keep(reference, *self._ask(reference, within=_PATIENTLY, retries=0, at_least=at_least))
        except WorkbenchError as error:
            entry.problem = error.message
        finally:
            entry.refreshing = False

    def _needed(self, reference: str) -> int:
        """Return the record that a version must know to be what is live."""
        return max(self._floor, self._changed.get(reference, 0))

    def _keep(self, reference: str, fresh: _Entry, answer: Any = None) -> _Entry:
        """Take an entry over, and what the gateway answered to disk; one that knows more stays. Return what is kept."""
        with self._lock:
            known = self._entries.get(reference)
            if known is not None and known.prompt.seq > fresh.prompt.seq:
                return known
            if known is not None:
                fresh.waits = known.waits
            elif not self._entries:
                self._floor = max(self._floor, fresh.prompt.seq)
            self._entries[reference] = fresh
        if answer is not None:
            self._copies.write(self._url(), reference, answer)
        return fresh

    def _ask(self, reference: str, *, within: float, retries: int, at_least: int = 0) -> tuple[_Entry, Any]:
        """Return what the gateway serves, and its answer; raises Unavailable where it stays behind a record."""
        name, _, alias = reference.rpartition("@")
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while True:
            answer = self._get(prompt_path(name, alias), {}, within=within, retries=retries)
            try:
                prompt = read_served(answer)
            except (KeyError, TypeError, ValueError) as error:
                raise IntegrityError(f"What the gateway serves as {reference} is no prompt.") from error
            if f"{prompt.name}@{prompt.alias}" != reference:
                raise IntegrityError(f"What the gateway serves as {reference} is {prompt.name}@{prompt.alias}.")
            if prompt.seq >= at_least:
                return _Entry(prompt, time.monotonic()), answer
            if time.monotonic() > deadline:
                raise Unavailable(f"The gateway that answers does not know record {at_least} yet.")
            time.sleep(_AGAIN_SECONDS)

    def _age(self, entry: _Entry) -> float:
        return time.monotonic() - entry.confirmed_at

    def _served(self, reference: str, entry: _Entry) -> Served:
        age = self._age(entry)
        if entry.problem is None:
            return Served("live" if age <= self._lease else "stale", age)
        if entry.told != entry.problem:
            entry.told = entry.problem
            warnings.warn(
                f"{reference}: {entry.problem} The last good version is served: v{entry.prompt.version}, confirmed "
                f"{age:.0f} s ago.",
                stacklevel=5,
            )
        return Served("last good", age, entry.problem)


def _may_pass(error: WorkbenchError) -> bool:
    """Return whether an error says nothing of the prompt, but only that it can't be had whole just now."""
    return error.retryable or error.status >= 500 or isinstance(error, IntegrityError)
