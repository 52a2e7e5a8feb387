"""The embedded models: their weights, and the process that serves them over HTTP as one more provider.

`weights` gets and keeps them, `python -m workbench.local` serves them. Nothing heavy loads with this package.
"""
