"""Figures; the only door to matplotlib and to 3-D rendering."""
