"""Prompts: register and load versions, render them, see what changed, promote with evidence, roll back.

MLflow's Prompt Registry keeps the versions; what is live under an alias is the gateway's published record.
"""

from workbench.prompts.difference import PromptDiff, diff
from workbench.prompts.gate import Decision, Gate, Rule
from workbench.prompts.promotion import Promotion, Sync, Weighed, history, promote, rollback, sync, weigh
from workbench.prompts.prompt import Prompt
from workbench.prompts.registry import load, names, register, versions

__all__ = [
    "Decision",
    "Gate",
    "Promotion",
    "Prompt",
    "PromptDiff",
    "Rule",
    "Sync",
    "Weighed",
    "diff",
    "history",
    "load",
    "names",
    "promote",
    "register",
    "rollback",
    "sync",
    "versions",
    "weigh",
]
