"""How the main job ends when something is wrong."""
