"""Whatever sends events: replay, importers and the simulated audience."""
