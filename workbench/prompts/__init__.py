"""Prompts: register and load versions, render them, see what changed, promote with evidence, roll back.

MLflow's Prompt Registry keeps the versions; what is live under an alias is the gateway's published record.
"""

from workbench.prompts.ballots import Ballot, Ballots
from workbench.prompts.difference import PromptDiff, diff
from workbench.prompts.few_shot import FewShot
from workbench.prompts.files import FileReport, FileState, export_files, import_files
from workbench.prompts.folder import names
from workbench.prompts.gate import Decision, Gate, Rule
from workbench.prompts.gate_file import read_gates
from workbench.prompts.gates import Gates
from workbench.prompts.lineage import lineage
from workbench.prompts.promotion import Promotion, Sync, Weighed, as_of, history, promote, rollback, sync, weigh
from workbench.prompts.promotion_request import (
    PromotionRequest,
    approvals_needed,
    approve,
    bring_evidence,
    comment,
    find_request,
    publish,
    register_gate,
    reject,
    request,
    requests,
    withdraw,
)
from workbench.prompts.prompt import Prompt
from workbench.prompts.registry import load, register, register_draft, versions
from workbench.prompts.tags import tag, tags_of
from workbench.prompts.variable import Variable
from workbench.prompts.verification import Verified, verify
from workbench.prompts.watching import Figure, Watch, watch

__all__ = [
    "Ballot",
    "Ballots",
    "Decision",
    "FewShot",
    "Figure",
    "FileReport",
    "FileState",
    "Gate",
    "Gates",
    "Promotion",
    "PromotionRequest",
    "Prompt",
    "PromptDiff",
    "Rule",
    "Sync",
    "Variable",
    "Verified",
    "Watch",
    "Weighed",
    "approvals_needed",
    "approve",
    "as_of",
    "bring_evidence",
    "comment",
    "diff",
    "export_files",
    "find_request",
    "history",
    "import_files",
    "lineage",
    "load",
    "names",
    "promote",
    "publish",
    "read_gates",
    "register",
    "register_draft",
    "register_gate",
    "reject",
    "request",
    "requests",
    "rollback",
    "sync",
    "tag",
    "tags_of",
    "verify",
    "versions",
    "watch",
    "weigh",
    "withdraw",
]
