"""Subcommands by theme; heavy imports wait until one of them runs."""
