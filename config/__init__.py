"""How one deployment differs from the next: settings, topics, logging."""
