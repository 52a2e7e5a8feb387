"""OpenAI's protocol: one file per resource, `paths.py` is their table. Azure serves the same under its own paths.

Source: OpenAI's API reference.
"""
