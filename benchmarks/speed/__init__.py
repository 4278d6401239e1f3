"""How fast the main job is."""
