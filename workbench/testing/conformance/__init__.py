"""The shipped suite: what every model of a gateway must do, case by case, whatever provider stands behind it.

`workbench conformance` runs it as an operator's release gate. Real upstreams are called. A case that can't be judged
is skipped with its reason, never passed in silence.
"""

from workbench.testing.conformance.rehearsal import rehearsed
from workbench.testing.conformance.subject import Subject, read_subjects
from workbench.testing.conformance.suite import CASES, calls_for, run
from workbench.testing.conformance.verdict import Verdict

__all__ = ["CASES", "Subject", "Verdict", "calls_for", "read_subjects", "rehearsed", "run"]
