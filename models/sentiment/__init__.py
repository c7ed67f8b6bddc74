"""Sentiment of short posts."""
