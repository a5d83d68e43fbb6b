"""``hookpoint viewer`` as people run it, and somebody whose data is worth having."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from letters import variables_of
from players import watched
from service import HOUR_S, Service
from typer.testing import CliRunner

from hookpoint.cli import app

if TYPE_CHECKING:
    from click.testing import Result

    from config.settings import Settings


def run_on(settings: Settings, *arguments: str, stdin: bytes | None = None) -> Result:
    """Run ``hookpoint viewer``."""
    env = variables_of(
        settings,
        PARTITIONS=str(settings.partitions),
        REDIS_CLUSTER=str(settings.redis_cluster).lower(),
        DEMOGRAPHICS=str(settings.demographics).lower(),
    )
    return CliRunner(env=env).invoke(app, ["viewer", *arguments], input=stdin)


def exported(result: Result) -> dict[str, Any]:
    """The document that an export has printed."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def titles_of(progress: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Title and episode of each entry."""
    return {(each["title_id"], each["episode"]) for each in progress}


def a_hooked_viewer(service: Service, viewer: str) -> float:
    """Somebody who has watched three episodes in a row. Returns the time after them."""
    began = service.another_time()
    for episode in (1, 2, 3):
        service.report(watched(viewer, "dark", episode, began + episode * HOUR_S))
    assert service.hash("hooked", viewer)
    return began + 5 * HOUR_S
