"""Weights and their cards, loading, devices, quick inference."""
