"""Amazon Bedrock's runtime: Converse and InvokeModel, plain and as event streams, by signature version 4.

Source: Amazon Bedrock API reference; AWS, "Signature Version 4 for API requests".
"""

from workbench.simulator.bedrock.family import BEDROCK
from workbench.simulator.bedrock.paths import PATHS

__all__ = ["BEDROCK", "PATHS"]
