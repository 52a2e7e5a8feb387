"""predict: text embeddings, and Imagen's pictures made and edited."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from workbench.simulator.answer import vector_of, words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.picture import edited, painted, read
from workbench.simulator.reply import Refused, Reply, Whole


def predict(exchange: Exchange) -> Reply:
    """Answer a predict, by what its instances are."""
    instances = exchange.body["instances"]
    parameters = exchange.body.get("parameters") or {}
    if not isinstance(instances, list) or not isinstance(instances[0], dict):
        raise Refused(400, "instances must be a list of objects.")
    if "content" in instances[0]:
        return _embeddings(instances, parameters)
    return _pictures(instances[0], parameters)


def _embeddings(instances: list[dict[str, Any]], parameters: dict[str, Any]) -> Reply:
    counts = [words_of(str(one["content"])) for one in instances]
    predictions = [
        {
            "embeddings": {
                "values": vector_of(str(one["content"]), parameters.get("outputDimensionality") or 8),
                "statistics": {"token_count": count, "truncated": False},
            }
        }
        for one, count in zip(instances, counts, strict=True)
    ]
    characters = sum(len(str(one["content"])) for one in instances)
    body = {"predictions": predictions, "metadata": {"billableCharacterCount": characters}}
    return Whole(body=body, tokens=sum(counts), used=(Used(input=sum(counts)),))


def _pictures(instance: dict[str, Any], parameters: dict[str, Any]) -> Reply:
    prompt = instance.get("prompt")
    if not isinstance(prompt, str):
        raise Refused(400, "Image generation failed: prompt is required.")
    references = instance.get("referenceImages") or []
    raw = _of_kind(references, "REFERENCE_TYPE_RAW")
    mask = _of_kind(references, "REFERENCE_TYPE_MASK")
    made = []
    for number in range(int(parameters.get("sampleCount") or 1)):
        words = f"{prompt} {number}"
        if raw is None:
            made.append(painted(words))
        else:
            shape = None if mask is None else read(mask)
            made.append(edited(read(raw), shape, words, white_is_edited=True))
    predictions = [{"bytesBase64Encoded": base64.b64encode(png).decode(), "mimeType": "image/png"} for png in made]
    return Whole(body={"predictions": predictions}, used=(Used(images=len(made)),))


def _of_kind(references: list[dict[str, Any]], kind: str) -> bytes | None:
    found = next((one for one in references if one.get("referenceType") == kind), None)
    data = (found or {}).get("referenceImage", {}).get("bytesBase64Encoded")
    if data is None:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "referenceImage.bytesBase64Encoded is no base64.") from error
