"""What resolution the counts support."""
