"""Synthetic silver-stained kidney slides whose truth is known exactly."""
