"""Detection of crises in per-minute tallies."""
