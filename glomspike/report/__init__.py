"""Findings as pictures, tables and the record of a run."""
