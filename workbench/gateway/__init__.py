"""The gateway: keys, routing, providers and the ledger behind one OpenAI-shaped surface.

A process of its own (`python -m workbench.gateway`); it knows nothing of notebooks, MLflow or Streamlit.
"""
