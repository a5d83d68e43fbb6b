"""The real worker, which ends or freezes itself at one precise step, when a test tells it to.

Commands come on standard input, one a line::

    kill write 3      SIGKILL to itself right after the third write of viewers from now on
    freeze publish 1  SIGSTOP likewise
    clock 86400       the wall clock jumps so many seconds ahead of the machine's
    stacks            print what every task is waiting for

The steps, in the order of a slice: ``claim``, ``write`` (viewers in Redis), ``publish``, ``mark``,
``handle`` (all done but the ack); and ``timer`` (a ``write`` of viewers whose timers have fired,
nothing of it published yet). Those of the titles agent are called ``title-claim``, ``title-write``
and so on; it publishes only where something is decided about a title. The worker dies when its
input ends: it never outlives the test.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


class Clock:
    """The wall clock, which may jump. Installed before anything else could look at it."""

    ahead_s = 0.0

    def install(self) -> None:
        """Put this clock where the worker looks for the time."""
        true_time, true_ns = time.time, time.time_ns
        time.time = lambda: true_time() + self.ahead_s
        time.time_ns = lambda: true_ns() + int(self.ahead_s * 1e9)
        self._stamp_records()

    def _stamp_records(self) -> None:
        """By this clock as well; aiokafka asks the machine, in C."""
        from aiokafka.producer.message_accumulator import BatchBuilder  # noqa: PLC0415 - it is slow

        append = BatchBuilder.append

        def stamped(builder: Any, *, timestamp: int | None, **record: Any) -> Any:
            if timestamp is None:
                timestamp = int(time.time() * 1000)
            return append(builder, timestamp=timestamp, **record)

        BatchBuilder.append = stamped


class Traps:
    """What is to happen at which steps."""

    def __init__(self) -> None:
        self._armed: list[tuple[str, str, int]] = []

    def arm(self, deed: str, step: str, count: int) -> None:
        """Do ``deed`` after the ``count``-th time that ``step`` is taken from now on."""
        self._armed.append((deed, step, count))

    def passed(self, step: str) -> None:
        """A step was taken."""
        self._armed = [(deed, at, n - (at == step)) for deed, at, n in self._armed]
        due = [deed for deed, _, count in self._armed if count == 0]
        self._armed = [trap for trap in self._armed if trap[2] > 0]
        for deed in due:
            os.kill(os.getpid(), SIGNALS[deed])


FIRING: ContextVar[bool] = ContextVar("FIRING", default=False)
"""Whether timers are part of what is being written."""
OF_A_TITLE: ContextVar[bool] = ContextVar("OF_A_TITLE", default=False)
"""Whether it is the titles agent that is at work."""


def set_traps(traps: Traps) -> None:
    """Let the worker's own classes say which steps they take."""
    # Here, not above: after the clock.
    from config.settings import Settings  # noqa: PLC0415
    from streams.worker.audience_lanes import AudienceLane  # noqa: PLC0415
    from streams.worker.audience_store import RedisAudienceStore  # noqa: PLC0415
    from streams.worker.group_commit import GroupCommit  # noqa: PLC0415
    from streams.worker.lane import Lane  # noqa: PLC0415
    from streams.worker.publisher import Publisher  # noqa: PLC0415
    from streams.worker.redis_store import RedisStore  # noqa: PLC0415

    progress = Settings().topics.progress

    def passed(step: str, *, of_a_title: bool | None = None) -> None:
        title = OF_A_TITLE.get() if of_a_title is None else of_a_title
        traps.passed(f"title-{step}" if title else step)

    def claimed(sources: list[Any]) -> None:
        passed("claim", of_a_title=any(topic == progress for topic, _ in sources))

    after(RedisStore, "claim", claimed)
    after(RedisStore, "move_marks", lambda _: passed("mark"))
    after(Lane, "handle", lambda _: passed("handle"))
    after(AudienceLane, "handle", lambda _: passed("handle", of_a_title=True))

    def written(writes: list[Any]) -> None:
        if writes:
            passed("write")
            if FIRING.get():
                passed("timer")

    after(RedisStore, "write", written)
    after(RedisAudienceStore, "write", written)
    after(Publisher, "publish", lambda outs: outs and passed("publish"))
    during(GroupCommit, "_attempt", FIRING, lambda parts: any(it.inner for it in parts))
    during(Lane, "_attempt_timers", FIRING, lambda *_: True)
    during(AudienceLane, "_attempt", OF_A_TITLE, lambda *_: True)


def after(owner: type, name: str, tell: Callable[[Any], object]) -> None:
    """Have ``tell`` called with the first argument whenever a method has returned."""
    method = getattr(owner, name)

    async def wrapped(self: Any, first: Any, *rest: Any) -> Any:
        if isinstance(first, Iterator):
            first = list(first)
        found = await method(self, first, *rest)
        tell(first)
        return found

    setattr(owner, name, wrapped)


def during(owner: type, name: str, variable: ContextVar[bool], holds: Callable[..., bool]) -> None:
    """Have ``variable`` set while a method runs, if its arguments say so."""
    method = getattr(owner, name)

    async def wrapped(self: Any, *args: Any) -> Any:
        token = variable.set(holds(*args))
        try:
            return await method(self, *args)
        finally:
            variable.reset(token)

    setattr(owner, name, wrapped)


def tell_stacks() -> None:
    """What every task of every event loop is waiting for, one line each, and every thread."""
    for task in list(asyncio.tasks._all_tasks):
        places, awaited = [], task.get_coro()
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None)
            if frame is None:
                break
            places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
            awaited = awaited.cr_await
        if not task.done():
            sys.stderr.write(f"task {' > '.join(places)}\n")
    sys.stderr.flush()
    faulthandler.dump_traceback(all_threads=True)


def obey(traps: Traps, clock: Clock) -> None:
    """Take commands until there are no more."""
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "clock":
            clock.ahead_s = float(rest[0])
        elif word == "stacks":
            tell_stacks()
        else:
            traps.arm(word, rest[0], int(rest[1]))
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the worker as ``hookpoint worker`` does."""
    clock, traps = Clock(), Traps()
    clock.install()
    set_traps(traps)
    threading.Thread(target=obey, args=(traps, clock), daemon=True).start()
    from streams.worker.run import run  # noqa: PLC0415 - after the traps

    run()


if __name__ == "__main__":
    main()
