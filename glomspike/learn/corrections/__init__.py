"""Corrected slides as samples that the trainers learn from."""
