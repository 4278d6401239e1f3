"""Builders of training and measuring sets from public sources, one command each."""
