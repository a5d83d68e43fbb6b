"""Netflix's export of one's own data, read into playback events (docs/netflix.md)."""
