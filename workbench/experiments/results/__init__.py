"""What came out: figures with their intervals, and how they are shown."""
