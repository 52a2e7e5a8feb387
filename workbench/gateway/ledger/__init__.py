"""One row for each call: what it used, what it cost, how it ended; durable before the caller has the answer."""
