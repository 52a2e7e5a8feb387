"""Pictures in and out of models as PIL images: made from words, and painted on beyond their edges.

It chooses sizes, pads, masks and pastes back; the calls are the client's.
"""

from workbench.images.generation import generate
from workbench.images.outpainting import outpaint

__all__ = ["generate", "outpaint"]
