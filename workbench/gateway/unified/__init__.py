"""The OpenAI-shaped endpoints below `/v1`."""
