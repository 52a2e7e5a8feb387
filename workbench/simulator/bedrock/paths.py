"""Bedrock's paths, as rows. Model ids hold colons, and for ARNs slashes, percent-encoded."""

from __future__ import annotations

from workbench.simulator.bedrock import converse, invoke
from workbench.simulator.bedrock.family import BEDROCK
from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Reply, Whole

_MODELS = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "amazon.titan-embed-text-v2:0",
    "amazon.titan-image-generator-v2:0",
)


def models(_exchange: Exchange) -> Reply:
    """Answer with the models."""
    arn = "arn:aws:bedrock:us-east-1::foundation-model/"
    return Whole(body={"modelSummaries": [{"modelArn": f"{arn}{name}", "modelId": name} for name in _MODELS]})


PATHS = (
    Path("POST", "/model/{model}/converse", BEDROCK, converse.converse, ("messages",)),
    Path("POST", "/model/{model}/converse-stream", BEDROCK, converse.converse_stream, ("messages",)),
    Path("POST", "/model/{model}/invoke", BEDROCK, invoke.invoke),
    Path("POST", "/model/{model}/invoke-with-response-stream", BEDROCK, invoke.invoke_stream),
    Path("POST", "/model/{model}/count-tokens", BEDROCK, converse.count_tokens, ("input",)),
    Path("GET", "/foundation-models", BEDROCK, models),
)
