"""The demo: a simulated audience through the real thing, and what was found beside the truth."""
