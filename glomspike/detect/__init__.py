"""Glomeruli found as circles."""
