"""Phantoms with a known truth, and the raw files a microscope would write of them."""
