"""Run the cases on the subjects of a gateway, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from workbench.client import Gateway
from workbench.testing.conformance.audio import AUDIO
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.chat import CHAT
from workbench.testing.conformance.embeddings import EMBEDDINGS
from workbench.testing.conformance.images import IMAGES
from workbench.testing.conformance.judgements import JUDGEMENTS
from workbench.testing.conformance.native import NATIVE
from workbench.testing.conformance.refusals import REFUSALS
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed, Outcome, Skipped, Verdict

CASES: tuple[Case, ...] = (*REFUSALS, *CHAT, *NATIVE, *EMBEDDINGS, *IMAGES, *AUDIO, *JUDGEMENTS)
"""Every shipped case, in the order in which they run."""
_TIMEOUT = 180.0


def cases_for(subject: Subject, only: Sequence[str] = ()) -> list[Case]:
    """Return the cases that fit a subject; `only` keeps those whose name is given."""
    return [case for case in CASES if case.task in ("*", subject.task) and (not only or case.name in only)]


def calls_for(subject: Subject, only: Sequence[str] = ()) -> int:
    """Return how many calls a subject's provider will get."""
    return sum(case.calls for case in cases_for(subject, only))


def run(
    subjects: Iterable[Subject], *, url: str, key_for: Callable[[Subject], str | None], only: Sequence[str] = ()
) -> Iterator[Verdict]:
    """Yield a verdict for each case as it comes; `key_for` gives a key by which only the subject's provider answers.

    A task for which nothing is shipped gives one skipped verdict, so that no model is passed over in silence.
    """
    for subject in subjects:
        fit = cases_for(subject, only)
        if not any(case.task == subject.task for case in CASES):
            why = f"no case is shipped for the task {subject.task!r}"
            yield Verdict(subject.model, subject.provider, "task", "skipped", why, 0.0)
        if not fit:
            continue
        with Gateway(url=url, key=key_for(subject), timeout=_TIMEOUT, max_retries=0) as gateway:
            for case in fit:
                yield _judge(case, gateway, subject)


def _judge(case: Case, gateway: Gateway, subject: Subject) -> Verdict:
    began = time.monotonic()
    outcome: Outcome = "passed"
    try:
        remark = case.run(gateway, subject)
    except Skipped as why:
        outcome, remark = "skipped", str(why)
    except Failed as why:
        outcome, remark = "failed", str(why)
    except Exception as error:  # noqa: BLE001 - whatever a provider makes a client raise is a failure of the case
        outcome, remark = "failed", f"{type(error).__name__}: {error}"
    return Verdict(subject.model, subject.provider, case.name, outcome, remark, time.monotonic() - began)
