"""What the stream means and does: the vocabulary, the pure core, and the worker that runs it."""
