"""Whether a call may start now, and which calls are on their way."""
