"""What the server answers a browser below `/workbench/`: states, figures and models' answers, and never a key."""
