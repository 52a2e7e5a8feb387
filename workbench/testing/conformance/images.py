"""Cases of image models."""

from __future__ import annotations

import base64

from workbench.client import Gateway
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed, expect

_STARTS = {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"RIFF": "WebP", b"GIF8": "GIF"}


def generated(gateway: Gateway, subject: Subject) -> str:
    """Check that a description becomes an image, as base64 that decodes to a picture."""
    answer = gateway.openai.images.generate(prompt="A bowl of ramen, drawn simply.", model=subject.model, n=1)
    images = answer.data or []
    expect(len(images) == 1, f"{len(images)} images came")
    encoded = images[0].b64_json
    if not encoded:
        expect(bool(images[0].url), "the image has neither data nor a link")
        return "a link"
    content = base64.b64decode(encoded, validate=True)
    for start, name in _STARTS.items():
        if content.startswith(start):
            return f"{name}, {len(content)} bytes"
    raise Failed(f"the image begins with {content[:8]!r}, which is no picture")


IMAGES = (Case("image", "image", generated),)
