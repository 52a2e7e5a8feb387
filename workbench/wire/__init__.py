"""The words that client and gateway share on the wire, and nothing else: envelopes, usage, headers, SSE, key files."""
