"""The console: pages that show brands and alerts, and keep themselves up to date."""
