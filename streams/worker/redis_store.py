"""The store on Redis or Redis Cluster: a slice is one pipeline of Lua calls.

One of each viewer; but of those of whom nothing but heartbeats have come, one call takes many where
all keys are on one server.
"""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from redis.exceptions import MovedError

from streams.keys import Keys
from streams.viewing.timers import NEVER
from streams.viewing.wire import Stored
from streams.worker.redis_client import RedisClient, Script
from streams.worker.store import (
    FRESH,
    Conflict,
    Due,
    Fenced,
    Mark,
    Move,
    Moved,
    Source,
    StoreAway,
    StoreWentBack,
    Timers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from config.settings import Settings
    from streams.viewing.public import Write

STATE_FIELDS = ("version", "live", "rest", "sums", "out", "beats")
RENEW_EVERY = 16
"""Writes of nothing but heartbeats after which a viewer's keys are told to live on: minutes, of the
year or more that they have."""
BEATS_AT_ONCE = 100
"""Viewers of whom nothing but heartbeats have come that are written by one call. Redis does nothing
else meanwhile, so not all of a slice."""
REFUSALS = {"FENCED": Fenced, "WENTBACK": StoreWentBack}


UNMARKED: ContextVar[int | None] = ContextVar("UNMARKED", default=None)
"""Set in a task between a write of viewers and the move of the mark that stands for them: how often
the server had been started again by then."""


class Claim:
    """A source partition that this worker holds: its token, and how many moves it has made."""

    __slots__ = ("step", "token")

    def __init__(self, token: str, step: int) -> None:
        self.token = token
        self.step = step


class RedisStore(RedisClient):
    """State, public keys, marks and timers in Redis; see ``Store`` for the contract."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._keys = Keys(settings.key_prefix)
        self._group = settings.group
        self._ttl = str(settings.viewer_ttl_s)
        self._write, self._beats = Script("write.lua"), Script("beats.lua")
        self._mark, self._claim = Script("mark.lua"), Script("claim.lua")
        self._claims: dict[Source, Claim] = {}

    # -- state ---------------------------------------------------------------------------------
    async def load(self, viewers: Sequence[str]) -> list[Stored]:
        """See ``Store.load``."""
        commands = [("HMGET", self._keys.viewer(v).state, *STATE_FIELDS) for v in viewers]
        return [_stored(answer) for answer in await self.ask(commands)]

    async def write(self, writes: Sequence[Write], sources: Sequence[Source] = ()) -> None:
        """See ``Store.write``."""
        UNMARKED.set(self.boots)
        whole, parts = self._by_kind(writes)
        commands = [self._write_command(write) for write in whole]
        commands += [self._beats_command(part) for part in parts]
        held = [(source, self._claims[source]) for source in sources if source in self._claims]
        commands += [("HGET", self._keys.mark(self._group, *it), "token") for it, _ in held]
        answers = await self.run((self._write, self._beats), commands)
        rest = answers[len(whole) :]
        for (source, claim), token in zip(held, rest[len(parts) :], strict=True):
            _hold(source, claim, token)
        refused = [w for w, answer in zip(whole, answers, strict=False) if answer != b"ok"]
        for part, answer in zip(parts, rest, strict=False):
            refused += [part[number] for number in answer]
        if refused:
            await self._settle(refused)
        await self.confirm()

    def _by_kind(self, writes: Sequence[Write]) -> tuple[list[Write], list[Sequence[Write]]]:
        """Those that need all keys; and of those of heartbeats, what goes into one call."""
        whole: list[Write] = []
        beats: list[Write] = []
        for write in writes:
            of_beats = _is_of_heartbeats(write) and write.version % RENEW_EVERY
            (beats if of_beats else whole).append(write)
        most = 1 if self.is_cluster else BEATS_AT_ONCE
        return whole, [beats[at : at + most] for at in range(0, len(beats), most)]

    async def _settle(self, refused: list[Write]) -> None:
        """Tell a write of ours whose answer was lost from one that somebody overtook."""
        held = await self.load([write.viewer for write in refused])
        ours = [
            stored.version == write.version + 1
            and (stored.out, stored.beats) == (write.out, write.beats)
            and write.live in {None, stored.live}
            and write.sums in {None, stored.sums}
            for write, stored in zip(refused, held, strict=True)
        ]
        if not all(ours):
            lost = [w.viewer for w, own in zip(refused, ours, strict=True) if not own]
            raise Conflict(f"{len(lost)} viewers were written by somebody else, {lost[0]!r} first")

    def _write_command(self, write: Write) -> tuple[Any, ...]:
        keys = self._keys.viewer(write.viewer)
        taste = [] if write.taste is None else _pairs(write.taste)
        progress, hooked = _pairs(write.progress), _pairs(write.hooked)
        return (
            "EVALSHA", self._write.sha, 4, keys.state, keys.taste, keys.progress, keys.hooked,
            write.version, write.version + 1, self._ttl,
            write.live or b"", write.rest or b"", write.sums or b"", write.out, write.beats,
            -1 if write.taste is None else len(taste),
            len(progress), len(write.progress_gone), len(hooked), len(write.hooked_gone),
            *taste, *progress, *write.progress_gone, *hooked, *write.hooked_gone,
        )  # fmt: skip

    def _beats_command(self, writes: Sequence[Write]) -> tuple[Any, ...]:
        keys: list[str] = []
        items: list[Any] = []
        for write in writes:
            of_viewer, progress = self._keys.viewer(write.viewer), _pairs(write.progress)
            keys += (of_viewer.state, of_viewer.progress)
            version = write.version
            items += (version, version + 1, write.out, write.beats, len(progress), *progress)
        return ("EVALSHA", self._beats.sha, len(keys), *keys, *items)

    # -- marks and timers ------------------------------------------------------------------------
    async def claim(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.claim``."""
        wanted = list(sources)
        topics = {topic for topic, _ in wanted}
        # Another agent's claims are on other topics, and go on.
        self._claims = {at: it for at, it in self._claims.items() if at[0] not in topics}
        commands = [
            ("EVALSHA", self._claim.sha, 1, self._keys.mark(self._group, *source), uuid.uuid4().hex)
            for source in wanted
        ]
        found: dict[Source, Mark] = {}
        for source, answer in zip(wanted, await self.run(self._claim, commands), strict=True):
            token, offset, clock, live, step = answer
            self._claims[source] = Claim(token.decode(), int(step or 0))
            if offset is not None:
                found[source] = Mark(int(offset), int(clock or 0), live == b"1")
        return found

    async def still_ours(self, source: Source) -> None:
        """See ``Store.still_ours``."""
        ours = self._claims.get(source)
        (token,) = await self.ask([("HGET", self._keys.mark(self._group, *source), "token")])
        if ours is None or token != ours.token.encode():
            raise _fenced(source)

    async def marks(self, sources: Iterable[Source]) -> dict[Source, Mark]:
        """See ``Store.marks``."""
        wanted = list(sources)
        commands = [
            ("HMGET", self._keys.mark(self._group, *source), "offset", "clock_ms", "live")
            for source in wanted
        ]
        found: dict[Source, Mark] = {}
        for source, answer in zip(wanted, await self.ask(commands), strict=True):
            offset, clock, live = answer
            if offset is not None:
                found[source] = Mark(int(offset), int(clock or 0), live == b"1")
        return found

    async def move_mark(self, source: Source, mark: Mark, timers: Timers, most: int) -> Moved:
        """See ``Store.move_mark``."""
        return (await self.move_marks([Move(source, mark, timers)], most))[0]

    async def move_marks(self, moves: Sequence[Move], most: int) -> list[Moved]:
        """See ``Store.move_marks``."""
        if UNMARKED.get() not in {None, self.boots}:
            raise StoreAway("Redis was started again since it was told what the mark stands for")
        # As of now: a source that is claimed anew meanwhile counts its moves from the start.
        claims = [self._claims.get(move.source) for move in moves]
        commands = [self._move_command(*it, most) for it in zip(moves, claims, strict=True)]
        answers = await self.run(self._mark, commands, told=tuple(REFUSALS))
        found, refused = [], []
        for move, claim, answer in zip(moves, claims, answers, strict=True):
            if isinstance(answer, Exception):
                refused.append(_refusal(move.source, answer))
                continue
            if claim:
                claim.step += 1
            due, after = answer
            found.append(Moved(_dues(due), int(float(after)) if after else NEVER))
        if refused:
            raise refused[0]
        UNMARKED.set(None)
        return found

    def _move_command(self, move: Move, claim: Claim | None, most: int) -> tuple[Any, ...]:
        source, mark, timers = move
        token, step = (claim.token, claim.step) if claim else ("", 0)
        return (
            "EVALSHA", self._mark.sha, 2,
            self._keys.mark(self._group, *source), self._keys.due(self._group, *source),
            token, step, mark.offset, mark.clock_ms, int(mark.live), most,
            len(timers.lower), len(timers.put),
            *_pairs(timers.lower), *_pairs(timers.put), *timers.drop,
        )  # fmt: skip

    async def due(self, source: Source, until_ms: int, most: int) -> list[Due]:
        """See ``Store.due``."""
        key = self._keys.due(self._group, *source)
        answer, token = await self.ask(
            [
                ("ZRANGEBYSCORE", key, "-inf", until_ms, "WITHSCORES", "LIMIT", 0, most),
                ("HGET", self._keys.mark(self._group, *source), "token"),
            ]
        )
        ours = self._claims.get(source)
        if ours is not None:
            _hold(source, ours, token)
        if answer and isinstance(answer[0], list | tuple):  # as some clients read scores
            answer = [part for pair in answer for part in pair]
        return _dues(answer)

    # -- whom we are talking to ------------------------------------------------------------------
    async def inspect(self, connection: Any) -> None:
        """Compare the marks that we hold with what this server knows of them.

        A server that was restored to an older state, or a replica that was promoted before it had
        everything, must not be written to by a worker that remembers more than it does.

        Raises:
            StoreWentBack: it has forgotten something.
        """
        for source, claim in list(self._claims.items()):
            key = self._keys.mark(self._group, *source)
            moved = claim.step  # as of now: a move that is under way may overtake the answer
            await connection.send_command("HMGET", key, "token", "step")
            try:
                token, step = await connection.read_response(disable_decoding=True)
            except MovedError:
                continue  # another node of the cluster holds it
            number, ours = _number(token), _number(claim.token.encode())
            forgotten = number < ours or (token == claim.token.encode() and int(step or 0) < moved)
            if forgotten:
                where = f"{source[0]}/{source[1]}"
                raise StoreWentBack(
                    f"Redis came back older than it was: of {where} it knows {int(step or 0)} of "
                    f"{moved} moves; a new worker will read on from the marks it has"
                )


def _is_of_heartbeats(write: Write) -> bool:
    return (
        write.live is None and write.rest is None and write.sums is None and write.taste is None
        and not (write.progress_gone or write.hooked or write.hooked_gone)
    )  # fmt: skip


def _hold(source: Source, ours: Claim, token: bytes | None) -> None:
    """An older token than ours is a Redis that went back: that is for the mark to say."""
    mine = ours.token.encode()
    if token != mine and _number(token) >= _number(mine):
        raise _fenced(source)


def _fenced(source: Source) -> Fenced:
    return Fenced(f"{source[0]}/{source[1]} was claimed by another worker")


def _number(token: bytes | None) -> int:
    """Which claim of a source it is, counted from 1."""
    return int((token or b"0:").partition(b":")[0])


def _refusal(source: Source, error: Exception) -> Exception:
    word, _, detail = str(error).partition(" ")
    if word not in REFUSALS:
        return error
    return REFUSALS[word](f"{source[0]}/{source[1]}: {detail}")


def _stored(answer: list[bytes | None]) -> Stored:
    version, live, rest, sums, out, beats = answer
    if version is None:
        return FRESH
    return Stored(int(version), live or b"", rest or b"", sums or b"", out or b"", beats or b"")


def _dues(answer: Sequence[Any]) -> list[Due]:
    return [Due(answer[i].decode(), int(float(answer[i + 1]))) for i in range(0, len(answer), 2)]


def _pairs(fields: Any) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
