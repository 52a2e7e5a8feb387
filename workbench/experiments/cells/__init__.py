"""What an experiment asks: candidates, cells, and the journal that keeps their answers."""
