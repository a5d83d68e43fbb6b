"""Settings that cannot be right, told in one line that names the variable."""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from config.settings import Settings
from streams.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError

PREFIX = "HOOKPOINT_"
ALSO_READ = ("HOOKPOINT_KAFKA_JARS", "HOOKPOINT_COMPILE", "HOOKPOINT_QUIX_PYTHON")
"""Variables that are no settings: hookpoint/kafka_jars.py, setup.py and hookpoint/bench/ read them.
"""
BEGINNINGS_OF_OTHERS = ("HOOKPOINT_FAUST_", "HOOKPOINT_TEST_")
"""Read by Faust (streams/worker/faust_app.py) and by the tests."""
LIKE_ENOUGH = 0.6
_FIELD = re.compile(r'field "(\w+)"')


class WrongSettingError(ValueError):
    """A setting turned out wrong when it was used; the message names it, in one line."""


def wrong_settings(error: ValidationError | SettingsError) -> list[str]:
    """A line for each setting that was refused; none shows its value if that is a secret."""
    if isinstance(error, SettingsError):
        field = _FIELD.search(str(error))
        name = PREFIX + field[1].upper() if field else "hookpoint"
        return [f"{name}: is not JSON; its parts are set one by one, as {name}__..."]
    return [_line(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False)]


def _line(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if PREFIX in message:  # it names what it is about
        return message
    if place == ("rules",) and message.split()[0] in {rule.name for rule in fields(Rules)}:
        rule, message = message.split(maxsplit=1)
        place = (*place, rule)
    return f"{PREFIX}{'__'.join(str(part) for part in place).upper()}: {message}"


def unknown_variables() -> list[str]:
    """A line for each ``HOOKPOINT_*`` variable, set here or in ``.env``, that nothing reads."""
    known = {*_names(PREFIX, Settings), *ALSO_READ}
    bare = {name.removeprefix(PREFIX): name for name in sorted(known)}
    given = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    found = []
    for name in sorted(map(str.upper, given)):
        if not name.startswith(PREFIX) or name.startswith(BEGINNINGS_OF_OTHERS) or name in known:
            continue
        nearest = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=LIKE_ENOUGH)
        meant = f"; is {bare[nearest[0]]} meant?" if nearest else ""
        found.append(f"{name} is set, and no such setting is known{meant}")
    return found


def _names(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name.upper()
        kind = field.annotation
        if kind is Rules:
            yield from (f"{prefix}{name.upper()}__{rule.name.upper()}" for rule in fields(Rules))
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(f"{prefix}{name.upper()}__", kind)


def refused_by_redis(error: BaseException) -> WrongSettingError | None:
    """What is wrong with the URL, where a server did answer: the password, or the database.

    Args:
        error: of a Redis client, or caused by one.
    """
    from redis.exceptions import AuthenticationError, ResponseError  # noqa: PLC0415  slow to import

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AuthenticationError):
            return WrongSettingError(f"HOOKPOINT_REDIS_URL: Redis refuses to log us in: {cause}")
        if isinstance(cause, ResponseError) and "DB index" in str(cause):
            return WrongSettingError(f"HOOKPOINT_REDIS_URL: Redis has no such database: {cause}")
        cause = cause.__cause__
    return None
