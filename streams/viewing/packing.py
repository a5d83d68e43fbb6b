"""Parts of a viewer's state as bytes: JSON as it is, or packed to a third of that.

A packed part is deflated against a dictionary that both sides know, so that even what is said once
in a part need not be spelt out. The same part gives the same bytes. Numbers that are rarely
short, such as the sums of taste, follow the JSON as 64 bit floats. Why, and what it costs:
docs/adr/0021.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from isal import isal_zlib

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKED = b"z"
"""First byte of a packed part; JSON of a list begins with a bracket."""
LEVEL = 1
"""Of ISA-L's four: a quarter of the time that zlib takes, for a few bytes more (docs/adr/0029)."""
WINDOW_BITS, MEMORY_LEVEL = -13, 7
"""Without header and checksum, which take 6 bytes, and small: 8 KiB hold any usual part."""
DOUBLE_BYTES = 8

DICTIONARY = (
    b'"viewer.cooled""viewer.lapsed""viewer.completed""viewer.rekindled""viewer.retracted"'
    b'"theme:"theme:friendship","theme:family","theme:politics","theme:crime","theme:music"'
    b'"genre:documentary","genre:romance","genre:sci-fi","genre:fantasy","genre:mystery",'
    b'"genre:reality","genre:animation","genre:horror","genre:action","genre:thriller",'
    b'"genre:comedy","genre:crime","genre:drama","language:pt","language:hi","language:it",'
    b'"country:BR","country:IN","country:IT","language:da","country:DK","language:ja",'
    b'"country:JP","language:ko","country:KR","language:fr","country:FR","language:es",'
    b'"country:ES","language:de","country:DE","country:GB","language:en","country:US",'
    b'"original:false","original:true","hour:0","hour:4","hour:8","hour:12","hour:16","hour:20",'
    b'"creator:studio-'
    b'],["playback-events/0",0,0,1,"g","viewer-","{\\"specversion\\":\\"1.0\\",\\"id\\":\\"'
    b'\\",\\"source\\":\\"hookpoint\\",\\"type\\":\\"viewer.hooked\\",\\"subject\\":\\"viewer-'
    b'\\",\\"time\\":\\"2026-0\\",\\"datacontenttype\\":\\"application/json\\",\\"data\\":{'
    b'\\"viewer\\":\\"viewer-\\",\\"title_id\\":\\"\\",\\"season\\":1,\\"state\\":\\"hooked\\",'
    b'\\"basis\\":\\"pace\\",\\"p\\":null,\\"interval\\":null,\\"k\\":3,\\"of\\":8,\\"because\\":{'
    b'\\"completed\\":3,\\"left\\":5,\\"last_activity_ms\\":1,\\"idle_s\\":0},'
    b'\\"catalogue_version\\":1,\\"curve_version\\":null}}"]'
    b'["playback-events/0",0,0,0,"p","","{\\"what\\":\\"progress\\",\\"viewer\\":\\"viewer-\\",'
    b'\\"title_id\\":\\"\\",\\"season\\":1,\\"episode\\":1,\\"at_ms\\":1,\\"seat\\":{\\"country\\":'
    b'\\"US\\",\\"language\\":\\"en\\",\\"device\\":\\"tv\\",\\"hour\\":20,\\"genre\\":\\"drama\\",'
    b'\\"age\\":\\"\\"},\\"before\\":[true,true,false],\\"now\\":[true,true,true],\\"passages\\":'
    b'[[1,null,[1,0]]],\\"again\\":false}"],["playback-events/0",0,0,0,"s","viewer-","{\\"id\\":\\"'
    b'\\",\\"viewer\\":\\"viewer-\\",\\"playback_id\\":\\"viewer-\\",\\"title_id\\":\\"\\",'
    b'\\"season\\":1,\\"episode\\":1,\\"device\\":\\"tv\\",\\"country\\":\\"US\\",\\"language\\":'
    b'\\"en\\",\\"started_at\\":\\"2026-0T0.000Z\\",\\"ended_at\\":\\"2026-0T0.000Z\\",\\"wall_s\\":0,'
    b'\\"advanced_s\\":0,\\"coverage_s\\":0,\\"rewatched_s\\":0.0,\\"from_position_s\\":0.0,'
    b'\\"position_s\\":0,\\"imputed\\":false,\\"revision\\":1}"],["playback-events/0",0,0,1,"p","",'
    b'"{\\"what\\":\\"session\\",\\"viewer\\":\\"viewer-\\",\\"title_id\\":\\"\\",\\"season\\":1,'
    b'\\"episode\\":1,\\"at_ms\\":1,\\"id\\":\\"\\",\\"revision\\":1,\\"started_ms\\":1,\\"now\\":{'
    b'\\"wall_s\\":0,\\"advanced_s\\":0,\\"coverage_s\\":0,\\"from_position_s\\":0.0,'
    b'\\"position_s\\":0,\\"country\\":\\"US\\",\\"language\\":\\"en\\",\\"device\\":\\"tv\\"},'
    b'\\"before\\":null,\\"runtime_s\\":0,\\"autoplay\\":false}"]]'
    b'[3,{"playback-events/0":1},[],[],[]],{"device":[,"country":[,"language":[,"duration":[,"offset":['
    b',0,"","",0,null,0,[],[0,0],["US","en","web",12,"comedy",""]],["'
    b'"completed","audience","rekindled","retracted","lapsed","cooled","pace",'
    b',"hooked","pace",0,3,["","",0,null]],["US","en","mobile",16,"crime",""]],'
    b'[["US","en","tv",20,"drama",""]],[],[0,{"tv":[]},{"tv":0}],[0,0]]'
    b"false,true,1.0,0.982,20,[1.0,0,20],null,null],"
    b"[[0,1000]],[],000,true,true],1,1,[],[[0,000]],000,178"
)
"""What parts have in common, the commonest last. A change of it is a change of the format."""


class Unreadable(ValueError):
    """Not a part of a state."""


_encode = msgspec.json.Encoder().encode
_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # a class, not one of it


def plain(items: Any) -> bytes:
    """A part as it is: the fastest to write."""
    return _encode(items)


def pack(items: Any, numbers: Sequence[float] | None = None) -> bytes:
    """A part packed; ``numbers``, if any, are read back as one more item, a list."""
    body = _encode(items)
    if numbers is not None:
        body += b"\n" + struct.pack(f"<{len(numbers)}d", *numbers)  # JSON has no line feed
    deflate = isal_zlib.compressobj(
        LEVEL,
        isal_zlib.DEFLATED,
        WINDOW_BITS,
        MEMORY_LEVEL,
        isal_zlib.Z_DEFAULT_STRATEGY,
        DICTIONARY,
    )
    return PACKED + deflate.compress(body) + deflate.flush()


def unpack(part: bytes) -> Any:
    """What ``plain`` or ``pack`` was given.

    Raises:
        ValueError: it is neither's.
    """
    text, line_feed, floats = inflated(part).partition(b"\n")
    items = orjson.loads(text)
    if line_feed:
        if len(floats) % DOUBLE_BYTES:
            raise Unreadable("half a number")
        items.append(list(struct.unpack(f"<{len(floats) // DOUBLE_BYTES}d", floats)))
    return items


def inflated(part: bytes) -> bytes:
    """The JSON of a part, and behind it its numbers if it has some.

    Raises:
        Unreadable: it is not packed as ``pack`` does.
    """
    if part[:1] != PACKED:
        return part
    inflate = isal_zlib.decompressobj(WINDOW_BITS, DICTIONARY)
    try:
        body = inflate.decompress(part[1:])
    except _IsalError as error:
        raise Unreadable(str(error)) from error
    if not inflate.eof or inflate.unused_data:
        raise Unreadable("the part has no end, or goes on behind it")
    return body
