"""One viewer: playback, coverage, taste, journey, hooked. Pure: no Faust, Redis, clock or chance."""
