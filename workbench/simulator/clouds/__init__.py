"""The clouds' own token servers and metadata services, which give out what Vertex, Azure and Bedrock take."""

from workbench.simulator.clouds import aws, entra, google

PATHS = (*google.PATHS, *aws.PATHS, *entra.PATHS)

__all__ = ["PATHS"]
