"""Questions put to the click log and the journal."""
