"""Synthetic tiles with spikes (IDA-MIL): a StyleGAN2 learns from those a classifier is sure of."""
