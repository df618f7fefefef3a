"""Particles and their shells."""
