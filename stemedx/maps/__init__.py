"""X-ray lines and windows: spectra in, counts per element out."""
