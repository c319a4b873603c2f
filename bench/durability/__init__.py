"""Is what was answered in the journal, whatever happens? Kills, power cuts, and faults under load."""
