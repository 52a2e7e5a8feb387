"""Which gateway is asked, and which of its models: what is told, else what it finds."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from workbench.client import Gateway
from workbench.errors import InvalidInput, NotFound
from workbench.images.painters import ANY, Painter, painter_of


def using(gateway: Gateway | None) -> AbstractContextManager[Gateway]:
    """Return a block's gateway: the one that was told, else one that is found and closed behind the block."""
    return Gateway() if gateway is None else contextlib.nullcontext(gateway)


def choose_painter(gateway: Gateway, model: str | None, *, edits: bool) -> tuple[str, Painter]:
    """Return the model's name and what it takes; without a name the only one that will do.

    Raises NotFound where the gateway has none, InvalidInput where it has several, or the one that is named can't edit.
    """
    rows = gateway.models(task="image").to_dict("records")
    known = {str(row["model"]): painter_of(str(one["model"]) for one in row["deployments"]) for row in rows}
    fit = {name: painter for name, painter in known.items() if painter.edits or not edits}
    names = ", ".join(map(repr, fit))
    if model is not None:
        painter = known.get(model, ANY)  # a name that is not in the list is refused by the gateway, with what is near
        if edits and not painter.edits:
            hint = f"Try {names}." if fit else "An admin can add a model that edits."
            raise InvalidInput(f"{model!r} makes pictures and edits none.", hint=hint, param="model")
        return model, painter
    if not fit:
        raise NotFound(
            "The gateway has no model for pictures that your key may use.",
            hint='An admin adds one under [[models]] with task = "image". To try without one: '
            "workbench.testing.painter.SimulatedPainter.",
        )
    if len(fit) > 1:
        raise InvalidInput(f"{len(fit)} models can do that.", hint=f"Pass one as `model=`: {names}.", param="model")
    return next(iter(fit.items()))
