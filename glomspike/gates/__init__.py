"""Is this a slide to score: its stain, whether it is kidney, and whether its glomeruli are in focus."""
