"""Findings as annotations that viewers open, and such annotations read back."""
