"""Simulated audiences of which the truth is known, and how close the estimates come to it."""
