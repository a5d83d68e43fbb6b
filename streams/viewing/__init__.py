"""One viewer: playback, coverage, taste, journey and hooked. Pure: no Faust, Redis, clock or chance."""
