"""Frames, circles, outlines and rasters: plain geometry, without pixels of a slide."""
