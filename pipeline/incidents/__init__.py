"""Labelled incidents: how a backtest is judged against them, and its page of plots."""
