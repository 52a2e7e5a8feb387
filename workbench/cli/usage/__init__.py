"""`workbench usage`: what calls used and cost; price asynchronous work; compare the ledger with invoices."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """What calls used and cost, and whether the invoices say the same."""
