"""A large sender's load on paper: ``python -m bench.scale``."""
