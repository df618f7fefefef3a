"""Training of the networks and their application."""
