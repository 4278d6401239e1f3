"""Many slides: which there are, who works on them, and what became of each."""
