"""The report after an alert: what happened, when, how far it went, what was done, what to ask."""
