"""How good the models and the main job are."""
