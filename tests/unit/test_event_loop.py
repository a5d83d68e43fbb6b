"""What clients of Kafka and Redis see of a connection that was lost a moment ago."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from streams.worker import event_loop


@pytest.fixture
def writes():
    """``asyncio.StreamWriter`` as it was, put back after the test."""
    names = ("write", "writelines")
    before = {name: getattr(asyncio.StreamWriter, name) for name in names}
    policy = asyncio.get_event_loop_policy()
    yield
    asyncio.set_event_loop_policy(policy)
    for name, write in before.items():
        setattr(asyncio.StreamWriter, name, write)


async def to_a_lost_connection(send) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.abort()
        await writer.wait_closed()
        send(writer)


@pytest.mark.usefixtures("writes")
@pytest.mark.parametrize(
    "send", [lambda it: it.write(b"late"), lambda it: it.writelines([b"late"])], ids=["one", "many"]
)
def test_writing_to_it_is_an_error_of_the_connection(send):
    event_loop.install()
    event_loop.install()
    with asyncio.Runner() as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)
        with pytest.raises(ConnectionResetError):
            runner.run(to_a_lost_connection(send))


@pytest.mark.usefixtures("writes")
def test_on_uvloop_alone_it_is_not_so_that_this_can_go_when_it_is():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(RuntimeError):
        runner.run(to_a_lost_connection(lambda it: it.write(b"late")))
