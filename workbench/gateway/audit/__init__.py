"""What is kept of calls, shipped to the lake, checked, deleted when its time is over, and used again."""
