"""How fast it is on this machine, beside a plain per-event agent, and whether it is right."""
