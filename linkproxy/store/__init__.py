"""Where visits, links and people are kept: one contract, one file per engine."""
