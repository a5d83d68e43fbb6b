"""What one core says of an audience, as digests: ``python tests/properties/said.py SEED``.

In a process of its own, so that PYTHONPATH can choose the core.
"""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256

import orjson
from one_partition import records_of, run, world

from producers.simulator import AudienceOptions
from streams.decoder import decode_shortly
from streams.worker.core import CORE


def main() -> None:
    """Print the core, how much was said, and digests of what was said and of what is kept."""
    audience = AudienceOptions(
        viewers=40, titles=8, weeks=2.5, seed=int(sys.argv[1]), messy_share=0.4, late_share=0.1,
        keep_truth=False,
    )  # fmt: skip
    records = records_of(audience)
    thirds = [len(records) // 3, 2 * len(records) // 3]
    kept, notebook = asyncio.run(run(records, world(audience), thirds))
    states = sorted((name, *it[1:]) for name, it in kept.states.items())
    public = [sorted(it.items()) for it in (kept.taste, kept.progress, kept.hooked)]
    digests = [sha256(repr(it).encode()).hexdigest() for it in (notebook.said, states, public)]
    topics = sorted({topic for _, topic, _, _ in notebook.said})
    core = (CORE, decode_shortly.__module__)
    found = {"core": core, "said": len(notebook.said), "topics": topics, "digests": digests}
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
