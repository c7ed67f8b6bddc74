"""The benchmark of detection."""
