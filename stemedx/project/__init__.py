"""Parallel-beam projection of element volumes."""
