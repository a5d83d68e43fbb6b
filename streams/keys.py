"""Redis key names: the one place where they are spelt.

Keys of one viewer share the hash tag ``{viewer}``, so they live in one slot of a Redis Cluster and
one Lua call can write them together. A viewer id may hold any characters; braces inside it are
percent-encoded, because they would move the hash tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


def tag(name: str) -> str:
    """``name`` as a Redis Cluster hash tag, braces (and the escape itself) percent-encoded."""
    if "{" in name or "}" in name or "%" in name:
        name = name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return "{" + name + "}"


class ViewerKeys(NamedTuple):
    """The four keys that one compare-and-set writes."""

    state: str
    taste: str
    progress: str
    hooked: str


@dataclass(frozen=True, slots=True)
class Keys:
    """All key names under one prefix."""

    prefix: str = ""

    def viewer(self, viewer: str) -> ViewerKeys:
        """Private state and public profile of one viewer."""
        p, t = self.prefix, tag(viewer)
        return ViewerKeys(f"{p}state:{t}", f"{p}taste:{t}", f"{p}progress:{t}", f"{p}hooked:{t}")

    def declared(self, viewer: str) -> str:
        """Private: what a viewer has agreed to be counted under; in the slot of their state."""
        return f"{self.prefix}declared:{tag(viewer)}"

    def title(self, title_id: str) -> str:
        """Public facts of one title, from the catalogue."""
        return f"{self.prefix}title:{tag(title_id)}"

    def engagement(self, title_id: str) -> str:
        """Public engagement of one title, with its curves."""
        return f"{self.prefix}engagement:{tag(title_id)}"

    def audience(self, title_id: str) -> str:
        """Private: the counts behind a title's engagement, with their marks and outbox."""
        return f"{self.prefix}audience:{tag(title_id)}"

    def viewers(self, title_id: str, day: str = "") -> str:
        """Public: who has watched a title, ever or on a day (``2026-11-22``), as a HyperLogLog."""
        return f"{self.prefix}viewers:{tag(title_id)}{day and ':' + day}"

    def top(self, name: str) -> str:
        """Public: titles by a score, as a sorted set (``hooked``, ``hours``, ...)."""
        return f"{self.prefix}top:{name}"

    def trending(self, country: str) -> str:
        """Public: titles that trend in a country (``all`` for everywhere), as a sorted set."""
        return f"{self.prefix}trending:{country}"

    def peers(self) -> str:
        """Private: one line per season, so that every title can be compared with its peers."""
        return f"{self.prefix}peers:{{all}}"

    def mark(self, group: str, topic: str, partition: int) -> str:
        """Private: last offset absorbed from a source partition, and its stream time."""
        return f"{self.prefix}mark:{_partition_tag(group, topic, partition)}"

    def due(self, group: str, topic: str, partition: int) -> str:
        """Private: viewers of a source partition by the time of their next timer."""
        return f"{self.prefix}due:{_partition_tag(group, topic, partition)}"

    def topic_id(self, group: str, topic: str) -> str:
        """Private: which topic of this name the marks are of, by the broker's id."""
        return f"{self.prefix}topic:{tag(f'{group}:{topic}')}"

    def catalogue_facts(self) -> str:
        """Private: every title's facts in one hash, for workers to load."""
        return f"{self.prefix}catalogue:{{all}}:facts"

    def catalogue_marks(self) -> str:
        """Private: the last offset that each title has absorbed, by title and source partition."""
        return f"{self.prefix}catalogue:{{all}}:marks"

    def catalogue_changes(self) -> str:
        """Private: titles by the number of their last change, so that workers load only news."""
        return f"{self.prefix}catalogue:{{all}}:changes"


@lru_cache(maxsize=4096)
def _partition_tag(group: str, topic: str, partition: int) -> str:
    return tag(f"{group}:{topic}:{partition}")
