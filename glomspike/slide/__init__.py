"""Slides: opened, measured and read at any µm/px, and where on them there is tissue."""
