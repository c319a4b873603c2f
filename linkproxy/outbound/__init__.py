"""What linkproxy tells others."""
