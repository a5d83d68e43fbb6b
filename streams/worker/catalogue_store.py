"""The catalogue: from its topic to Redis, and from Redis to every worker's memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog

from streams.catalogue import (
    Catalogue,
    Curve,
    Title,
    creator_labels,
    creator_names,
    parse_title,
)
from streams.events import Reject
from streams.keys import Keys
from streams.worker.decoding import dead_letter
from streams.worker.metrics import TITLES
from streams.worker.redis_client import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from config.settings import Settings
    from streams.worker.decoding import DeadLetter
    from streams.worker.redis_store import RedisStore
    from streams.worker.store import Source

log = structlog.get_logger()
PUBLIC_WORDS = ("name", "kind", "language", "country")
PUBLIC_LISTS = ("genres", "themes", "seasons")


TITLES_AT_ONCE = 1000
"""Lua takes only so many arguments at once."""


class Change(NamedTuple):
    """What a record says of a title, and where the record lies."""

    value: bytes | None
    """The title as JSON; None removes it."""
    source: str = ""
    offset: int = 0


def read_titles(
    source: Source, records: Sequence[Any], most_bytes: int
) -> tuple[dict[str, Change], list[DeadLetter]]:
    """The latest value per title in a slice of the ``titles`` topic, and what cannot be taken."""
    titles: dict[str, Change] = {}
    letters: list[DeadLetter] = []
    name = f"{source[0]}/{source[1]}"
    for record in records:
        try:
            title_id = _title_id(record, most_bytes)
        except Reject as reject:
            letters.append(dead_letter(source, record, reject))
        else:
            titles[title_id] = Change(record.value or None, name, record.offset)
    return titles, letters


def _title_id(record: Any, most_bytes: int) -> str:
    try:
        title_id = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise Reject("key", "key", "not UTF-8") from None
    if not title_id:
        raise Reject("key", "key", "the record has no key; it must be the title id")
    if not record.value:
        return title_id
    if len(record.value) > most_bytes:
        raise Reject("too_large", "value", f"{len(record.value)} bytes")
    try:
        title = parse_title(orjson.loads(record.value))
    except orjson.JSONDecodeError as error:
        raise Reject("not_json", "value", str(error)) from None
    except ValueError as error:
        raise Reject("field", str(error).partition(":")[0], str(error)) from None
    if title.title_id != title_id:
        raise Reject("key", "title_id", f"the key is not the title id {title.title_id!r}")
    return title_id


class CatalogueStore:
    """Titles in Redis: public facts per title, and one hash from which workers load them all."""

    what = "titles"

    def __init__(self, settings: Settings, store: RedisStore) -> None:
        self._store = store
        self._keys = Keys(settings.key_prefix)
        self._script = Script("catalogue.lua")

    def read(
        self, source: Source, records: Sequence[Any], most_bytes: int
    ) -> tuple[dict[str, Change], list[DeadLetter]]:
        """See ``read_titles``."""
        return read_titles(source, records, most_bytes)

    async def put(self, titles: Mapping[str, Change]) -> None:
        """Take titles in; doing it again changes nothing, and what was overtaken stays so."""
        items = list(titles.items())
        for start in range(0, len(items), TITLES_AT_ONCE):
            await self._put(items[start : start + TITLES_AT_ONCE])

    async def _put(self, titles: Sequence[tuple[str, Change]]) -> None:
        keys = self._keys
        names = (keys.catalogue_facts(), keys.catalogue_changes(), keys.catalogue_marks())
        arguments = [
            part
            for title, (value, source, offset) in titles
            for part in (title, source, offset, value or b"")
        ]
        ((version, *taken),) = await self._store.run(
            self._script, [("EVALSHA", self._script.sha, len(names), *names, *arguments)]
        )
        commands: list[tuple[Any, ...]] = []
        for (title, change), is_news in zip(titles, taken, strict=True):
            if not is_news:
                continue
            key = keys.title(title)
            commands.append(("DEL", key))
            if change.value is not None:
                commands.append(("HSET", key, *_public(orjson.loads(change.value), int(version))))
        await self._store.ask(commands)

    async def news(self, since: int) -> tuple[int, dict[str, bytes | None]]:
        """Titles that changed after change number ``since``, and the number of the last change."""
        changes = self._keys.catalogue_changes()
        (found,) = await self._store.ask(
            [("ZRANGEBYSCORE", changes, f"({since}", "+inf", "WITHSCORES")]
        )
        if not found:
            return since, {}
        names = found[0::2]
        (values,) = await self._store.ask([("HMGET", self._keys.catalogue_facts(), *names)])
        last = max(int(float(score)) for score in found[1::2])
        return last, {n.decode(): v for n, v in zip(names, values, strict=True)}

    async def curves(self, titles: Sequence[str]) -> list[dict[bytes, bytes]]:
        """What ``engagement:{title}`` holds for each title."""
        commands = [("HGETALL", self._keys.engagement(title)) for title in titles]
        answers = await self._store.ask(commands, told=("WRONGTYPE",))
        for title, answer in zip(titles, answers, strict=True):
            if isinstance(answer, Exception):
                log.warning("curves left out", title=title, error=str(answer))
        return [{} if isinstance(answer, Exception) else answer for answer in answers]


def _public(title: dict[str, Any], version: int) -> list[Any]:
    fields: dict[str, Any] = {"version": version}
    for name in PUBLIC_WORDS:
        if title.get(name) is not None:
            fields[name] = title[name]
    for name in PUBLIC_LISTS:
        if title.get(name) is not None:
            fields[name] = orjson.dumps(title[name])
    if title.get("creators") is not None:
        fields["creators"] = orjson.dumps(creator_names(title))
    if labels := creator_labels(title):
        fields["labels"] = orjson.dumps(labels)
    if title.get("original") is not None:
        fields["original"] = "true" if title["original"] else "false"
    if title.get("duration_s") is not None:
        fields["duration_s"] = title["duration_s"]
    return [part for pair in fields.items() for part in pair]


class Snapshot:
    """The catalogue as this worker knows it, brought up to date change by change."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self.catalogue = Catalogue()
        # Of two answers under way the older might come last, and take the version back.
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Take in what changed since the last time."""
        async with self._asking:
            await self._refresh()

    async def _refresh(self) -> None:
        version, news = await self._store.news(self.catalogue.version)
        if not news:
            return
        titles = dict(self.catalogue.titles)
        for title_id, value in news.items():
            title = _parsed(title_id, value)
            if title is None:
                titles.pop(title_id, None)
            else:
                titles[title_id] = title
        self.catalogue = Catalogue(titles, self.catalogue.curves, {}, version)
        TITLES.set(len(titles))


def _parsed(title_id: str, value: bytes | None) -> Title | None:
    if value is None:
        return None
    try:
        return parse_title(orjson.loads(value))
    except ValueError:  # the catalogue agent of an older or newer release let it pass
        log.exception("title cannot be read, its viewing still counts", title=title_id)
        return None


def parse_curves(title_id: str, fields: dict[bytes, bytes]) -> dict[tuple[str, int], Curve]:
    """Season curves of one title; one that cannot be read is left out, and said."""
    curves: dict[tuple[str, int], Curve] = {}
    for name, value in fields.items():
        word, _, season = name.decode(errors="replace").partition(":")
        if word != "curve" or not season.isdigit():
            continue
        try:
            curves[title_id, int(season)] = Curve.parse(orjson.loads(value))
        except ValueError as error:
            log.warning("curve left out", title=title_id, season=season, error=str(error))
    return curves


def stale(seen: dict[str, float], titles: Iterable[str], now: float, every_s: float) -> list[str]:
    """Titles whose curves were not looked at within ``every_s``; marks them as looked at."""
    found = [title for title in titles if now - seen.get(title, -every_s) >= every_s]
    seen.update(dict.fromkeys(found, now))
    return found
