"""What most records look like, for msgspec to read and check in one pass.

Apart from the decoder, because it is data about types: it stays as it is where code is compiled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from streams.events import MAX_ID, MAX_ORDINAL, MAX_POSITION_S, MAX_RATE
from streams.viewing.knots import NO_SEQ

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
Ordinal = Annotated[int, msgspec.Meta(ge=1, lt=MAX_ORDINAL)]
Position = Annotated[float, msgspec.Meta(ge=0, le=MAX_POSITION_S)]


class Data(msgspec.Struct, forbid_unknown_fields=True):
    """``data`` of an event, as strictly typed as the contract.

    Unknown fields are left to the careful way, because what is skipped unread is not checked to
    be valid JSON at all.
    """

    playback_id: Id
    title_id: Id
    position_s: Position
    season: Ordinal | None = None
    episode: Ordinal | None = None
    from_position_s: Position | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=MAX_RATE)] | None = None
    seq: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] = NO_SEQ
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_POSITION_S)] | None = None
    autoplay: bool | None = None
    device: str | None = None
    country: str | None = None
    language: str | None = None


class Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A structured CloudEvent."""

    id: Id
    source: Id
    type: str
    subject: Id
    time: datetime
    data: Data
    specversion: str = "1.0"
    datacontenttype: str | None = None
    dataschema: str | None = None


PLAIN = msgspec.json.Decoder(Plain)
