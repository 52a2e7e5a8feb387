"""Pictures from words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from workbench.client import Gateway
from workbench.images.choosing import choose_painter, using
from workbench.images.picture import read_made


def generate(
    prompt: str,
    *,
    model: str | None = None,
    n: int = 1,
    size: str | tuple[int, int] | None = None,
    gateway: Gateway | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> list[Image.Image]:
    """Return pictures of a prompt, `n` of them.

    `model` may be left out where the key may use just one; `size` is `(1024, 1024)` or `"1024x1024"`, and what is
    possible is the model's; `parameters` are those of images/generations. Each picture's `info` tells `request_id`,
    `model` and `cost_usd` of the one call. Raises InvalidInput, NotFound, and what the gateway meant.
    """
    wish: dict[str, Any] = {"n": n}
    if size is not None:
        wish["size"] = size if isinstance(size, str) else "{}x{}".format(*size)
    with using(gateway) as client:
        name, painter = choose_painter(client, model, edits=False)
        made = client.paint(prompt, model=name, tags=tags, **{**painter.fields, **wish, **parameters})
    pictures = [read_made(one, model=made.model) for one in made.images]
    for picture in pictures:
        picture.info = {"request_id": made.request_id, "model": made.model, "cost_usd": made.cost_usd}
    return pictures
