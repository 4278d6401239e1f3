"""Finds glomeruli in silver-stained kidney slides and scores them for membranous spikes."""

__version__ = "0.1.0"
