"""A Redis that comes back older than it was, without any partition's mark to show for it."""

from __future__ import annotations

import shutil

import psutil
import pytest
import redis
from brokers import bootstrap
from faults.supervisor import SteppingWorker
from players import a_run
from pydantic import SecretStr
from service import LONG_AGO_S
from title_counts import titles_in
from workers import own_settings, sending, settled, wait_until

from config.settings import Settings
from hookpoint.stack import Existing, Stack
from streams.keys import Keys
from streams.worker.outage import Patience
from streams.worker.redis_store import RedisStore
from streams.worker.store import NO_TIMERS, Mark, StoreAway

pytestmark = [pytest.mark.faults, pytest.mark.integration]

SOURCE = ("playback-events", 0)
OPTIONS = {"appendonly": "yes", "appendfsync": "always"}


def test_writes_that_redis_has_forgotten_since_the_last_move_of_a_mark_are_made_again(tmp_path):
    """As after a power cut with appendfsync everysec: what is lost is lost from the end."""
    with Stack(redis_options=OPTIONS, existing=Existing(kafka_bootstrap=bootstrap())) as stack:
        settings = own_settings(stack, partitions=1)
        log = stack.redis.folder / "appendonly.aof"
        with (
            redis.Redis.from_url(stack.redis_url) as client,
            sending(settings) as sender,
            SteppingWorker(settings, tmp_path, name="worker") as worker,
        ):
            sender.events(a_run("before", LONG_AGO_S))
            ends = sender.ends[settings.topics.events]
            worker.wait_for("the first events", lambda: settled(client, settings, ends))
            shutil.copyfile(log, tmp_path / "older.aof")
            worker.tell("freeze write 1")
            sender.events(a_run("lost", LONG_AGO_S))
            process = psutil.Process(worker.process.pid)
            wait_until("its write", lambda: process.status() == psutil.STATUS_STOPPED)
            state = Keys(settings.key_prefix).viewer("lost").state
            assert client.exists(state)
            stack.redis.kill()
            shutil.copyfile(tmp_path / "older.aof", log)
            stack.redis.start()
            assert not client.exists(state)
            worker.resume()
            worker.wait_for("the rest", lambda: settled(client, settings, ends))
            assert client.exists(state), worker.tail()
            assert worker.stop()[0] == 0


def test_a_title_that_redis_has_forgotten_since_its_mark_last_moved_counts_again_and_once(tmp_path):
    with Stack(redis_options=OPTIONS, existing=Existing(kafka_bootstrap=bootstrap())) as stack:
        settings = own_settings(stack, partitions=1)
        log = stack.redis.folder / "appendonly.aof"
        with (
            redis.Redis.from_url(stack.redis_url) as client,
            sending(settings) as sender,
            SteppingWorker(settings, tmp_path, name="worker") as worker,
        ):
            process = psutil.Process(worker.process.pid)
            sender.events(a_run("before", LONG_AGO_S))
            ends = sender.ends[settings.topics.events]
            worker.wait_for("the first events", lambda: settled(client, settings, ends))
            worker.tell("freeze mark 1")
            worker.tell("freeze title-write 1")
            sender.events(a_run("lost", LONG_AGO_S))
            wait_until("the viewers' mark", lambda: process.status() == psutil.STATUS_STOPPED)
            shutil.copyfile(log, tmp_path / "older.aof")
            worker.resume()
            wait_until("its write", lambda: process.status() == psutil.STATUS_STOPPED)
            assert viewers_of_dark(client, settings) == 2
            stack.redis.kill()
            shutil.copyfile(tmp_path / "older.aof", log)
            stack.redis.start()
            assert viewers_of_dark(client, settings) == 1
            worker.resume()
            worker.wait_for("the rest", lambda: settled(client, settings, ends))
            assert viewers_of_dark(client, settings) == 2, worker.tail()
            assert worker.stop()[0] == 0


def viewers_of_dark(client, settings):
    """How many began its first season, by what is counted of it."""
    (season,) = titles_in(client, settings)["dark"].engagement.seasons.values()
    return season.began


async def test_a_redis_that_was_started_again_is_noticed_once_and_then_gone_on_with(tmp_path):
    with Stack(existing=Existing(kafka_bootstrap="127.0.0.1:1"), data_dir=tmp_path) as stack:
        store = RedisStore(Settings(redis_url=SecretStr(stack.redis_url), key_prefix="own:"))
        noticed = []
        store.on_boot = lambda: noticed.append(store.boots)
        await store.load(["viewer"])
        stack.redis.kill()
        stack.redis.start()
        patience = Patience(10)
        for _ in range(3):
            await patience(store.load, ["viewer"])
        assert noticed == [1]
        await store.close()


async def test_a_mark_does_not_move_for_writes_to_a_redis_that_was_started_again_since(tmp_path):
    with Stack(existing=Existing(kafka_bootstrap="127.0.0.1:1"), data_dir=tmp_path) as stack:
        store = RedisStore(Settings(redis_url=SecretStr(stack.redis_url), key_prefix="own:"))
        await store.load(["viewer"])
        await store.write([])
        stack.redis.kill()
        stack.redis.start()
        await Patience(10)(store.load, ["viewer"])
        for mark in (Mark(7, 7), Mark(7, 7)):  # until what the mark stands for is written again
            with pytest.raises(StoreAway):
                await store.move_mark(SOURCE, mark, NO_TIMERS, 1)
        await store.write([])
        await store.move_mark(SOURCE, Mark(7, 7), NO_TIMERS, 1)
        assert (await store.marks([SOURCE]))[SOURCE].offset == 7
        await store.close()
