"""Optimisation: better words for a prompt, found by GEPA on two parts of a dataset and proven on a third, once."""

from workbench.experiments.optimise.optimisation import Optimisation, Step
from workbench.experiments.optimise.optimising import optimise

__all__ = ["Optimisation", "Step", "optimise"]
