"""Readers of what comes out: signals, sessions, profiles and dead letters."""
