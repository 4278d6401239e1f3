"""Findings as DICOM objects, which archives keep beside the slide, and such annotations read back."""
