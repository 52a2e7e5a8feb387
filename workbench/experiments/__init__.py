"""Experiments: candidates x examples x repeats, run through the gateway, scored, tracked and compared.

Every answer is kept in a journal when it arrives, so an interrupted experiment goes on where it stopped and pays for
nothing twice. A cell that failed is excluded and counted, never taken for a wrong answer.
"""

from workbench.evidence import Output
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Answer, Cell
from workbench.experiments.cells.grid import grid
from workbench.experiments.optimise import Optimisation, optimise
from workbench.experiments.optimise.shot_selection import FewShotSelection, select_few_shot
from workbench.experiments.records.listing import Listed, recent
from workbench.experiments.records.reading import load, load_runs
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.run_info import RunInfo
from workbench.experiments.runs.behaviour import BehaviourDiff, diff_behaviour
from workbench.experiments.runs.preview import Preview, preview
from workbench.experiments.runs.running import run

__all__ = [
    "Answer",
    "BehaviourDiff",
    "Candidate",
    "Cell",
    "Experiment",
    "FewShotSelection",
    "Listed",
    "Optimisation",
    "Output",
    "Preview",
    "RunInfo",
    "diff_behaviour",
    "grid",
    "load",
    "load_runs",
    "optimise",
    "preview",
    "recent",
    "run",
    "select_few_shot",
]
