"""How the gateway speaks to each provider: one file for each protocol family, rows where only data differs."""
