"""From the name that a caller uses to the deployments that may answer, in order."""
