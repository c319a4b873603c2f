"""A demonstration: one newsletter, a handful of recipients, people and scanners over real HTTP."""
