from streams.events import Event
from streams.rules import Rules

def scan(key: bytes, value: bytes, stamp_ms: int, rules: Rules) -> Event | None: ...
