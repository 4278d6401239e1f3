"""Glomeruli outlined."""
