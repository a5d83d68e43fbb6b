"""One viewer: playback, coverage, taste, journey, hooked. Pure: no Faust, Redis or clock."""
