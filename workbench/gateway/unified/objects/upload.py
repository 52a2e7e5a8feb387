"""A file that is uploaded; one for batches is looked through, line by line, before it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from workbench.gateway.unified.form import Form, Kept
from workbench.gateway.unified.objects.batch_lines import checked_lines, lines_of
from workbench.gateway.unified.objects.batch_most import BatchMost
from workbench.gateway.unified.objects.kinds import renamed
from workbench.gateway.unified.objects.wishes import naming_at
from workbench.gateway.unified.operations.form_fields import required, some_file

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.routing.models import Deployment


async def check_upload(form: Form, provider: str, key: Key, gateway: Parts) -> float | None:
    """Check a form of `POST /v1/files`; in a batch file the models get the provider's own names.

    Returns the most that a batch of the file can cost, in US dollars; None where that is not known.
    """
    purpose = required(form, "purpose")
    file = some_file(form, "file")
    if purpose != "batch":
        return None
    opening = gateway.objects.opening(key)
    opening.provider = provider

    def opened(value: Any) -> Any:
        return renamed(value, opening)

    naming = naming_at(provider, key, gateway, path="/v1/files")
    most, prices = BatchMost(), gateway.prices

    def measure(url: str, body: bytes, deployment: Deployment) -> None:
        # An answer tells the provider's own name only: of models that share it, the dearest counts.
        same = [one for one in gateway.models.deployments() if _place(one) == _place(deployment)]
        most.add(url, body, [price for one in same or [deployment] for price in prices.to_come(one.paid_by_call())])

    kept = Kept()
    form.replace("file", kept)
    lines = lines_of(_as_they_come(form.body.pieces(file.start, file.end)))
    async for line in checked_lines(lines, naming, opened, measure):
        kept.write(line)
    return most.usd


async def _as_they_come(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)  # a large file takes seconds: other calls go on meanwhile


def _place(deployment: Deployment) -> tuple[str, str]:
    return deployment.provider, deployment.model
