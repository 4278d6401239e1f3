"""A run's folder: what is written into it, how it is claimed, and its record."""
