"""How many different things a share is spread over: entropy, evenness, effective number.

Entropy is Shannon's, in bits (1948); evenness is Pielou's, entropy over its greatest value (1966).
2 to the entropy is the number of equally large parts that would be as diverse (Hill 1973, order 1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def entropy_bits(amounts: Iterable[float]) -> float:
    """Entropy of parts, which need not add up to 1; 0 of nothing, and of a single part."""
    parts = [it for it in amounts if it > 0]
    total = math.fsum(parts)
    return max(0.0, -math.fsum(it / total * math.log2(it / total) for it in parts))


def evenness(amounts: Iterable[float]) -> float | None:
    """Entropy over that of as many equal parts, 0 to 1; None of fewer than two parts."""
    parts = [it for it in amounts if it > 0]
    return min(1.0, entropy_bits(parts) / math.log2(len(parts))) if len(parts) > 1 else None


def diversity_of_taste(shares: Mapping[str, float]) -> dict[str, float]:
    """How diverse a viewer's taste is, by facet, in bits.

    Args:
        shares: the lasting shares of ``taste:{viewer}`` (``genre:drama`` -> share). Shares of one
            facet may add up to less than 1; the rest, what was never tried, is left out.

    Returns:
        Entropy of each facet that has a share above 0. Of genres, 1 bit is as diverse as two genres
        in equal parts.
    """
    facets: dict[str, list[float]] = {}
    for name, share in shares.items():
        facet, _, value = name.partition(":")
        if value and share > 0:
            facets.setdefault(facet, []).append(share)
    return {facet: round(entropy_bits(parts), 4) for facet, parts in sorted(facets.items())}
