"""One log for our own lines and for those of the libraries, readable by people or by machines."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor

    from config.settings import Settings

    Renderer = Callable[[Any, str, EventDict], str]

# They tell at INFO what a healthy worker does all day: fetching, joining, starting services.
CHATTY = ("aiokafka", "asyncio", "faust", "kafka", "mode", "streams.worker.transport")

MASK = "***"


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's logging to standard error in one format.

    Console lines on a terminal, one JSON object a line elsewhere, unless ``log_format`` decides.
    The secrets in ``settings`` are masked wherever a library prints them. Calling it again
    replaces what an earlier call set up and leaves other handlers alone.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings))
    handler.set_name("hookpoint")
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if h.get_name() == "hookpoint"]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    quiet = logging.NOTSET if settings.log_level == "DEBUG" else logging.WARNING
    for name in CHATTY:
        logging.getLogger(name).setLevel(quiet)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(settings: Settings) -> structlog.stdlib.ProcessorFormatter:
    wants_console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    renderer: Renderer
    processors: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if wants_console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    else:
        processors.append(structlog.processors.format_exc_info)
        renderer = _to_json
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[*processors, _masked(renderer, masker(settings))],
    )


def _to_json(_logger: Any, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def masker(settings: Settings) -> Callable[[str], str]:
    """A function that masks the secrets of ``settings`` wherever they are in a text."""
    secrets = _secrets(settings)

    def mask(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text

    return mask


def _masked(render: Renderer, mask: Callable[[str], str]) -> Renderer:
    return lambda logger, method, event: mask(render(logger, method, event))


def _secrets(settings: Settings) -> list[str]:
    """Every spelling in which a secret may reach a line, the longest first."""
    values = []
    if settings.kafka.password is not None:
        values.append(settings.kafka.password.get_secret_value())
    url = settings.redis_url.get_secret_value()
    in_url = urlsplit(url).password
    if in_url:
        values += [in_url, unquote(in_url)]
    spellings = set()
    for value in filter(None, values):
        spellings |= {value, repr(value)[1:-1], orjson.dumps(value).decode()[1:-1]}
        spellings.add(orjson.dumps(repr(value)).decode()[2:-2])
    return sorted(spellings, key=len, reverse=True)
