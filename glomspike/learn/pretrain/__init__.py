"""Encoders that learn what tissue looks like from pictures without annotations."""
