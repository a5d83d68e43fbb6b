"""A simulated audience: catalogue, viewers and players, deterministic by seed.

Pure: no clock, no network. ``Audience(AudienceOptions(...))`` has ``.catalogue()``,
``.records()`` and ``.truth()``.
"""

from producers.records import Record
from producers.simulator.audience import Audience
from producers.simulator.options import MOST, AudienceOptions
from producers.simulator.truth import Truth

__all__ = ["MOST", "Audience", "AudienceOptions", "Record", "Truth"]
