"""Measurements, one command each; README.md lists them."""
