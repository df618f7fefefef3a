"""Low-count STEM-EDX tomography: raw maps in, element volumes and their limits out."""
