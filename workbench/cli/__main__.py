"""`python -m workbench.cli` is the `workbench` command."""

from workbench.cli.ending import run

run()
