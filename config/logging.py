"""One log for our own lines and for those of the libraries, readable by people or by machines."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor

    from config.settings import Settings

    Renderer = Callable[[Any, str, EventDict], str]

log = structlog.get_logger()

# They tell at INFO what a healthy worker does all day: fetching, joining, starting services.
CHATTY = ("aiokafka", "asyncio", "faust", "kafka", "mode", "streams.worker.transport")

MASK = "***"
LEFT_OUT = "left_out"
SAME_AGAIN_AFTER_S = 60.0
MOST_TEMPLATES = 1000
_VARIES = re.compile(r"0x[0-9a-f]+|\d+")
_OURS = ("config", "consumers", "hookpoint", "producers", "streams")


class FewWords(logging.Filter):
    """Lets a library say the same thing once a minute, with a count of what was left out.

    In an outage every attempt of every client is worth a line to its library; what there is to
    know stands in our own lines, which all pass. Nor is a traceback needed where a library reports
    an exception of ours: its text says what is the matter.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter``."""
        if isinstance(record.msg, dict):  # structlog hands lines on like this, and we alone use it
            return True
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and _is_ours(kind):
            record.exc_info = record.exc_text = None
        if record.levelno >= logging.CRITICAL:
            return True
        template = (record.name, record.levelno, _VARIES.sub("#", str(record.msg)))
        with self._lock:
            now = self._clock()
            said_at, left_out = self._said.get(template, (-SAME_AGAIN_AFTER_S, 0))
            if now - said_at < SAME_AGAIN_AFTER_S:
                self._said[template] = (said_at, left_out + 1)
                return False
            if len(self._said) >= MOST_TEMPLATES:
                self._said.clear()
            self._said[template] = (now, 0)
        if left_out:
            setattr(record, LEFT_OUT, left_out)
        return True


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's logging to standard error in one format.

    Console lines on a terminal, one JSON object a line elsewhere, unless ``log_format`` decides.
    The secrets in ``settings`` are masked wherever a library prints them. Calling it again
    replaces what an earlier call set up and leaves other handlers alone.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings))
    handler.set_name("hookpoint")
    handler.addFilter(FewWords())
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


def log_what_nobody_catches() -> None:
    """Let warnings, and errors of threads and destructors, be lines of the log like all others.

    Python prints them as they are: not in the log's format, and with whatever secret is in them.
    """
    logging.captureWarnings(capture=True)
    threading.excepthook = _of_a_thread
    sys.unraisablehook = _of_a_destructor


def _of_a_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit or found.exc_value is None:
        return
    name = found.thread.name if found.thread else "?"
    log.error("a thread has failed", thread=name, exc_info=found.exc_value)


def _of_a_destructor(found: sys.UnraisableHookArgs) -> None:
    where = found.err_msg or "ignored"
    log.error(
        "an error came too late", where=f"{where}: {found.object!r}", exc_info=found.exc_value
    )


def hush_libraries(error: BaseException | None) -> None:
    """Where the end of the process is explained by an error of ours, let libraries say no more.

    Any other error is a bug, of which every line may be needed.
    """
    if error is not None and _is_ours(type(error)):
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _is_ours(kind: type[BaseException]) -> bool:
    return kind.__module__.partition(".")[0] in _OURS


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=[LEFT_OUT]),
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
