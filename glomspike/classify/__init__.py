"""Glomeruli scored for spikes, tile by tile."""
