"""Raw vendor files in, one checked tilt series out."""
