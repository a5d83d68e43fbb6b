"""What a title text says: series, season, episode, or that it is a trailer; in any language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import xxhash

_SEASON_WORDS = (
    "season|series|part|volume|vol|book|chapter|collection|cour|act|"
    "staffel|teil|buch|kapitel|temporada|parte|volumen|libro|livro|saison|partie|livre|chapitre|"
    "stagione|volumi|seizoen|deel|sezon|sezona|sezonul|część|säsong|sæson|sesong|kausi|osa|"
    "série|řada|évad|sezónu|k\u0131s\u0131m|сезон|часть|частина|σεζόν|κύκλος|시즌|파트|シーズン|パート|"
    "ซีซั่น|musim|mùa|phần|عונה|עונה|الموسم|सीज़न"
)
_LIMITED = re.compile(
    r"^(limited series|mini-?\s?series?|mini-?s?s[ée]rien?s?|miniserie|miniserial|minisarja|"
    r"limitierte serie|リミテッドシリーズ|리미티드 시리즈|限定剧|限定劇|迷你剧|迷你劇|"
    r"мини-сериал)\b",
    re.IGNORECASE,
)
_SEASON_LABEL = re.compile(
    rf"^(?:(?:{_SEASON_WORDS})\b\.?.*|.*\b(?:{_SEASON_WORDS})\s*\d*|第.{{1,4}}[季部期]|"
    r"(?:시즌|파트|シーズン|パート)\s*\d+)$",
    re.IGNORECASE,
)
_QUOTED_EPISODE = re.compile(r"^(?P<head>.+?)\s*[:\uff1a]\s*[\"“„«「](?P<episode>.+)[\"”“»」]$")
_EPISODE_NUMBER = re.compile(r"\(\s*\D{0,24}?(\d{1,4})\D{0,4}\)$")
_NUMBERED_NAME = re.compile(
    r"^[^\W\d]{2,14}\.?\s*#?(\d{1,4})$|^第\s*(\d{1,4})\s*[話话集回]$|^(\d{1,4})\s*화$"
)
_PARTS = re.compile(r"\s*:\s+|\s*\uff1a\s*")  # the second is the full-width colon
_NUMBER_WORDS = {
    word: number
    for number, words in enumerate(
        (
            "one eins uno una un um erste first i",
            "two zwei dos deux due dois zweite second ii",
            "three drei tres trois tre três dritte third iii",
            "four vier cuatro quatre quattro quatro vierte fourth iv",
            "five fünf cinco cinq cinque fünfte fifth v",
            "six sechs seis sei sechste sixth vi",
            "seven sieben siete sept sette sete seventh vii",
            "eight acht ocho huit otto oito eighth viii",
            "nine neun nueve neuf nove ninth ix",
            "ten zehn diez dix dieci dez tenth x",
        ),
        start=1,
    )
    for word in words.split()
}
_HAN = {char: number for number, char in enumerate("一二三四五六七八九十", start=1)}


@dataclass(frozen=True, slots=True)
class ParsedTitle:
    """A title taken apart.

    ``season_label`` is None for a film; ``season`` and ``episode`` are None where the text names
    no number.
    """

    name: str
    season_label: str | None = None
    season: int | None = None
    episode: int | None = None
    episode_name: str | None = None

    @property
    def is_series(self) -> bool:
        """Whether the text names an episode of a series."""
        return self.season_label is not None


def parse_title(text: str) -> ParsedTitle:
    """Take a title apart; whatever is not plainly an episode is a film of that whole name."""
    quoted = _QUOTED_EPISODE.match(text)
    if quoted:
        return _episode(_split(quoted["head"]), quoted["episode"], number=None)
    numbered = _EPISODE_NUMBER.search(text)
    parts = _split(text[: numbered.start()] if numbered else text)
    season_at = _season_part(parts)
    if season_at is not None and season_at + 1 < len(parts):
        number = int(numbered[1]) if numbered else None
        head, episode = parts[: season_at + 1], ": ".join(parts[season_at + 1 :])
        return _episode(head, episode, number)
    if numbered and len(parts) > 2:  # noqa: PLR2004 - name, season, episode
        return _episode(parts[:2], ": ".join(parts[2:]), int(numbered[1]))
    return ParsedTitle(name=text)


def _episode(head: list[str], episode: str, number: int | None) -> ParsedTitle:
    at = _season_part(head)
    if at is None and len(head) > 1:
        at = len(head) - 1
    name = ": ".join(head if at is None else head[:at])
    label = "" if at is None else ": ".join(head[at:])
    return ParsedTitle(
        name=name,
        season_label=label,
        season=_season_number(label),
        episode=_positive(number) or episode_number(episode),
        episode_name=episode,
    )


def episode_number(name: str) -> int | None:
    """7 from ``Episode 7``, ``Folge 7`` or ``第7話``; None from a name that is a name."""
    found = _NUMBERED_NAME.match(name.strip())
    return _positive(next(int(g) for g in found.groups() if g)) if found else None


def _positive(number: int | None) -> int | None:
    return number if number is not None and number >= 1 else None


def _split(text: str) -> list[str]:
    return [part.strip() for part in _PARTS.split(text) if part.strip()] or [text]


def _season_part(parts: list[str]) -> int | None:
    for index, part in enumerate(parts[1:], start=1):
        if _LIMITED.match(part) or _SEASON_LABEL.match(part):
            return index
    return None


def _season_number(label: str) -> int | None:
    digits = re.search(r"\d+", label)
    if digits:
        return _positive(int(digits[0]))
    if not label or _LIMITED.match(label):
        return 1
    words = re.findall(r"\w+", label.casefold())
    found = next((_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS), None)
    return found or next((_HAN[char] for char in label if char in _HAN), None)


def slug(name: str) -> str:
    """A title id from a name: letters and digits of any script, lower case, joined by hyphens."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", plain)  # noqa: RUF001 - the typographic apostrophe is meant
    text = "-".join(word.replace("'", "").replace("’", "") for word in words)  # noqa: RUF001 - as above
    digest = xxhash.xxh3_64_hexdigest(name.encode())
    if not text:
        return f"title-{digest}"
    # Ids are at most 256 characters; a cut name keeps its own id by its hash.
    return text if len(text) <= 120 else f"{text[:100]}-{digest}"  # noqa: PLR2004 - see above


_PROMOTION = re.compile(
    r"_hook_|_clip_|_teaser_|_trailer_|"
    r"\((?:[^()]*\s)?(?:trailer|teaser|clip|clipe|extrait|bande-annonce|avance|thematic)"
    r"(?:\s[^()]*)?\)|"
    # `Trailer: X`, `Season 1 Teaser 2: X`, `Main Character Intro Clip: X`; the colon is close by.
    r"^(?:[^:]{0,24}:\s)?[^:]{0,60}\b(?:trailer|teaser|clip|clipe|lift hook|first look|bonus video|"
    r"recap|sneak peek|cinemagraph|bumper|bande-annonce|extrait|avance|tráiler)\s?\d*\s?:\s|"
    r"\s-\s(?:[^:-]*\s)?(?:clip|clm)\s\d+$|"
    r"\bpodular:|:\s(?:season|part|volume)\s\d+\strailer\s?\d*$|^batch \d+ trailer$|"
    r"_\d+x\d+$|_var\d",
    re.IGNORECASE,
)


def is_promotion(title: str) -> bool:
    """Whether the text is that of a trailer, teaser, clip or hook, as real exports write them.

    Conservative: a title in doubt is viewing. An episode name in quotes is never a promotion.
    """
    return not _QUOTED_EPISODE.match(title) and bool(_PROMOTION.search(title))
