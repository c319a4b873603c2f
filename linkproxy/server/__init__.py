"""The two listeners, and the loops that run beside them."""
