"""Named pieces of evidence, one file a family."""
