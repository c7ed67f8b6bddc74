"""NAB's Twitter volumes, scored by NAB's rules."""
