"""What the ledger has of subjects, brought to admission: at start, with new rules, when a use case gets a budget."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable

from workbench.errors import Unavailable
from workbench.gateway.access.keys import Key
from workbench.gateway.access.use_cases import UseCase, UseCaseTable
from workbench.gateway.admission.admission import Admission, SpentBy, is_held
from workbench.gateway.admission.rules import Rules
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.times import utc_text

_log = logging.getLogger("workbench.gateway.admission")


class History:
    """Reads the ledger for admission, which itself never waits for SQL."""

    def __init__(self, admission: Admission, reports: Reports) -> None:
        self._admission = admission
        self._reports = reports
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def begin(self, keys: Iterable[Key], rules: Rules, use_cases: UseCaseTable) -> None:
        """Hold everybody to what they are held to, with what they have used so far; raises Unavailable."""
        self._loop = asyncio.get_running_loop()
        keys = list(keys)
        held = {key.account for key in keys if is_held(key)}
        names = [one.name for one in use_cases.all()]
        self._admission.load(keys, await asyncio.to_thread(self._reports.spent, "key", held))
        spent = await asyncio.to_thread(self._reports.spent, "use_case", names)
        for use_case in use_cases.all():
            self._admission.hold_use_case(use_case, spent=spent.get(use_case.name))
        self._admission.rule(rules, await self.read(rules))
        use_cases.listen(self._changed)

    async def read(self, rules: Rules) -> SpentBy:
        """Return what everybody has used whom rules are about; raises Unavailable where the ledger can't be read."""
        return {kind: await asyncio.to_thread(self._reports.spent, kind) for kind in rules.kinds()}

    async def close(self) -> None:
        """Read no more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _changed(self, use_case: UseCase) -> None:
        """Hold a use case to what it has got, at once; what it had used before is added when it is read."""
        with contextlib.suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                if self._admission.hold_use_case(use_case):
                    task = asyncio.create_task(self._catch_up(use_case.name, before=utc_text(time.time())))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                return
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._changed, use_case)

    async def _catch_up(self, name: str, *, before: str) -> None:
        try:
            spent = await asyncio.to_thread(self._reports.spent, "use_case", [name], before=before)
        except Unavailable as error:
            _log.error("what use case %r spent before it had a budget is not counted: %s", name, error)
        else:
            if name in spent:
                self._admission.add_history(name, spent[name])
