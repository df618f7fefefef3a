"""Solvers over a linear operator, one module per method."""
