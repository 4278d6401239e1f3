"""How good the models are, in the field's measures."""
