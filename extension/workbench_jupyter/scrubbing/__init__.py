"""No key ends in a saved notebook, its checkpoints or a kernel's history: each is scrubbed on its way to the disk."""
