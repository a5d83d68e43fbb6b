"""What titles say, in several languages, shaped like those of real exports."""

from __future__ import annotations

import pytest

from producers.netflix.titles import is_promotion, parse_title, slug


@pytest.mark.parametrize(
    ("text", "name", "season", "episode"),
    [
        ('To the Lake: Season 1: "Episode 7"', "To the Lake", 1, 7),
        ('Narcos: Mexico: Season 2: "881 Lope de Vega"', "Narcos: Mexico", 2, None),
        ("Dark: Season 1: Secrets (Episode 1)", "Dark", 1, 1),
        ("Dark: Staffel 2: Geheimnisse (Folge 3)", "Dark", 2, 3),
        ("O Farol: Temporada 1: Maré, outra vez (Episódio 9)", "O Farol", 1, 9),
        ("Lupin : Saison 3 : Chapitre 1 (Épisode 1)", "Lupin", 3, 1),
        ("Suburra: Stagione 1: Angeli (Episodio 2)", "Suburra", 1, 2),
        ("三体\uff1a第2季\uff1a第 3 集", "三体", 2, 3),
        ("イカゲーム\uff1aシーズン1\uff1a第3話", "イカゲーム", 1, 3),
        ("오징어 게임: 시즌 1: 게임 (1화)", "오징어 게임", 1, 1),
        ("Слово: Сезон 2: Берег (Серия 4)", "Слово", 2, 4),
        ("Sabrina: Part 2: Chapter Fifteen: The House (Episode 4)", "Sabrina", 2, 4),
        ("A Case: Inside: Limited Series: Closing In (Episode 3)", "A Case: Inside", 1, 3),
        ("Neve: Minissérie: Episódio 1 (Episódio 1)", "Neve", 1, 1),
        ('Korra: Book Two: Spirits: "Rebel"', "Korra", 2, None),
        ('Coffee Talk: First Cup: "Someone: Part 1"', "Coffee Talk", 1, None),
    ],
)
def test_an_episode_is_taken_apart(text, name, season, episode):
    parsed = parse_title(text)
    assert (parsed.name, parsed.season, parsed.episode) == (name, season, episode)
    assert parsed.is_series


@pytest.mark.parametrize(
    "text",
    [
        "A Quiet Place Part II",
        "Um Lugar Silencioso: Parte II",
        "Kill Bill: Volume 1",
        "Disconnect: The Wedding Planner",
        '"Sr."',
        "12:30 to Nowhere",
        "The Power of the Dog (2021)",
        "3%",
    ],
)
def test_what_is_not_plainly_an_episode_is_a_film_of_that_name(text):
    parsed = parse_title(text)
    assert parsed.name == text
    assert not parsed.is_series


@pytest.mark.parametrize(
    "text",
    [
        "Season 5 Moment of High Emotion Clip: The Crown",
        "To the Lake: Season 1_hook_primary_16x9",
        "Season 4 Supporting Character Clip 2: Virgin River",
        "Trailer: Ali Wong: Don Wong",
        "Teaser 2: Inventing Anna",
        "Temporada 1 Teaser: Olhar Indiscreto",
        "Season 1 Direct Lift Hook 3: Shadow and Bone",
        "The Seven Deadly Sins: Dragon's Judgement (Trailer 2)",
        "Minissérie (Clipe): Traição",
        "Season 1 First Look: The Sandman",
        "Sweet Home: Season 1_CLIP_MUSIC_NON1",
        "Suits: Season 5 - CLM 5",
        "The Ugly Truth - Clip 2",
        "Season 1: Plot Clip: MAID",
        "Limited Series: Villain / Antagonist Clip: Treason",
        "The Order: Season 1 Trailer 1",
        "Cinemagraph: RollerCoaster Tycoon Touch",
        "Season 3 Recap: Outer Banks",
    ],
)
def test_a_promotion_is_known_by_its_title(text):
    assert is_promotion(text)


@pytest.mark.parametrize(
    "text",
    [
        'Trailer Park Boys: Season 1: "Clip: The End"',
        "Trailer Park Boys: The Movie",
        "Hook",
        "Captain Hook: The Prequel",
        "Clip Joint",
        'The Order: Season 1: "Hell Week: Part 1"',
        "Teaser",
    ],
)
def test_a_title_that_only_sounds_like_a_promotion_is_viewing(text):
    assert not is_promotion(text)


@pytest.mark.parametrize(
    ("name", "title_id"),
    [
        ("Don't F**k with Cats", "dont-f-k-with-cats"),
        ("Ginny & Georgia", "ginny-georgia"),
        ("Über uns: Teil 1", "über-uns-teil-1"),
        ("三体", "三体"),
    ],
)
def test_a_title_id_is_made_of_letters_and_digits_of_any_script(name, title_id):
    assert slug(name) == title_id


def test_names_without_letters_and_very_long_names_keep_ids_of_their_own():
    assert slug("!!!") != slug("???")
    assert slug("a" * 300) != slug("a" * 301)
    assert len(slug("a" * 300)) <= 120
