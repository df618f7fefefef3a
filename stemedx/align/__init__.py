"""Tilt axis and shifts of a tilt series."""
