"""The shell around the pure core: Faust app, transport, agents, store, timers and metrics."""
