"""Experiments: candidates x examples x repeats, run through the gateway, scored, tracked and compared.

Every answer is kept in a journal when it arrives, so an interrupted experiment goes on where it stopped and pays for
nothing twice. A cell that failed is excluded and counted, never taken for a wrong answer.
"""

from workbench.evidence import Output
from workbench.experiments.candidate import Candidate
from workbench.experiments.cell import Answer, Cell
from workbench.experiments.experiment import Experiment
from workbench.experiments.listing import Listed, recent
from workbench.experiments.reading import load, load_runs
from workbench.experiments.run_info import RunInfo
from workbench.experiments.running import run

__all__ = [
    "Answer",
    "Candidate",
    "Cell",
    "Experiment",
    "Listed",
    "Output",
    "RunInfo",
    "load",
    "load_runs",
    "recent",
    "run",
]
