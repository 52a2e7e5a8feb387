"""What callers leave at a provider: files, batches, jobs, vector stores and responses, and whose each is."""
