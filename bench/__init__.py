"""Benchmarks. Each is ``python -m bench.NAME [--quick] [--json FILE]``; ratios of one run are the result."""
