"""Results in MLflow: written, listed, and read again."""
