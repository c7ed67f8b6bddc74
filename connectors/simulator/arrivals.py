"""Which post is written when: the random process behind the simulated days."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from random import Random

from connectors.simulator.brands import BRANDS, Brand
from connectors.simulator.story import MINUTE_MS, Episode, Story, usual_activity
from connectors.simulator.voices import Author, Language, Voices, invent_authors
from models.post import Post

NOISE_PER_MIN = 6.0
NAMESAKES_PER_MIN = 0.4
POLISH = 0.72
REPOSTS = {"usual": 0.06, "crisis": 0.22, "giveaway": 0.18}
REPEATED = 0.01
"""Share of posts that a platform delivers twice."""
LATE = 0.004
"""Share of posts that a platform delivers late, by 20 seconds to 15 minutes."""

_PUBLIC_NAMES = 40  # reposts choose among so many recent posts of the brand


class _Drift:
    """A value that wanders around zero: Ornstein-Uhlenbeck, one step a minute."""

    def __init__(self, rng: Random, deviation: float, half_life_min: float) -> None:
        self._rng = rng
        self._keep = 0.5 ** (1.0 / half_life_min)
        self._kick = deviation * math.sqrt(1.0 - self._keep**2)
        self.value = rng.gauss(0.0, deviation)

    def step(self) -> float:
        self.value = self.value * self._keep + self._rng.gauss(0.0, self._kick)
        return self.value


class _Talk:
    """The talk about one brand: how loud and in what mood, and what was said lately."""

    def __init__(self, brand: Brand, rng: Random) -> None:
        self.brand = brand
        self.level = _Drift(rng, deviation=0.15, half_life_min=90.0)
        self.mood = _Drift(rng, deviation=0.15, half_life_min=600.0)
        self.recent: dict[str, deque[tuple[Post, Author]]] = {
            kind: deque(maxlen=_PUBLIC_NAMES) for kind in REPOSTS
        }


def posts_of(story: Story, source: str) -> Iterator[Post]:
    """All posts of a story in the order in which they are observed."""
    rng = Random(f"story {story.seed}")
    process = _Process(story, source, rng)
    waiting: list[tuple[int, int, Post]] = []
    number = 0
    for start_ms in range(story.from_ms, story.to_ms, MINUTE_MS):
        for post in process.minute(start_ms):
            heapq.heappush(waiting, (post.observed_ms, number, post))
            number += 1
            if rng.random() < REPEATED:
                again_ms = post.observed_ms + int(rng.expovariate(1 / 20_000))
                again = post.model_copy(update={"observed_ms": again_ms})
                heapq.heappush(waiting, (again_ms, number, again))
                number += 1
        while waiting and waiting[0][0] < start_ms + MINUTE_MS:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


class _Process:
    """Draws the posts that are written in a minute."""

    def __init__(self, story: Story, source: str, rng: Random) -> None:
        self._story = story
        self._source = source
        self._rng = rng
        self._voices = Voices()
        self._authors = invent_authors(story.seed)
        self._talks = [_Talk(brand, rng) for brand in BRANDS]
        self._written = 0
        self._validate = Post.__pydantic_validator__.validate_python

    def minute(self, start_ms: int) -> Iterator[Post]:
        """Posts that are created in a minute, in no order."""
        activity = usual_activity(start_ms)
        for talk in self._talks:
            level = math.exp(talk.level.step())
            mood = talk.mood.step()
            for _ in range(self._count(talk.brand.per_min * activity * level)):
                yield self._usual(talk, mood, start_ms)
            for episode in self._story.truth:
                if episode.brand == talk.brand.id:
                    extra = self._story.extra_per_min(episode, start_ms)
                    for _ in range(self._count(extra)):
                        yield self._of_episode(talk, episode, start_ms)
        for _ in range(self._count(NOISE_PER_MIN * activity)):
            language = self._language()
            yield self._post(start_ms, self._voices.about_nothing(language, self._rng), language)
        for _ in range(self._count(NAMESAKES_PER_MIN * activity)):
            language = self._language()
            yield self._post(start_ms, self._voices.about_a_namesake(language, self._rng), language)

    def _usual(self, talk: _Talk, mood: float, start_ms: int) -> Post:
        brand = talk.brand
        negative = 1.0 / (1.0 + (1.0 / brand.negative - 1.0) * math.exp(-mood))
        drawn = self._rng.random()
        if drawn < negative:
            rule = "neg"
        elif drawn < negative + brand.positive:
            rule = "pos"
        else:
            rule = "neu"
        return self._spoken(talk, "usual", rule, start_ms)

    def _of_episode(self, talk: _Talk, episode: Episode, start_ms: int) -> Post:
        drawn = self._rng.random()
        if episode.kind == "crisis":
            return self._spoken(talk, "crisis", "crisis" if drawn < 0.9 else "news", start_ms)
        rule = "giveaway" if drawn < 0.95 else "giveaway_neg"
        return self._spoken(talk, "giveaway", rule, start_ms)

    def _spoken(self, talk: _Talk, kind: str, rule: str, start_ms: int) -> Post:
        recent = talk.recent[kind]
        if recent and self._rng.random() < REPOSTS[kind]:
            original, author = recent[int(self._rng.random() * len(recent))]
            if original.created_ms < start_ms:
                text = f"RT @{author.handle}: {original.text}"
                language: Language = "pl" if original.language == "pl" else "en"
                return self._post(start_ms, text, language, repost_of=(original, author))
        language = self._language()
        text = self._voices.about(talk.brand, rule, language, self._rng)
        author = self._author()
        post = self._post(start_ms, text, language, author)
        recent.append((post, author))
        return post

    def _post(
        self,
        start_ms: int,
        text: str,
        language: Language,
        author: Author | None = None,
        repost_of: tuple[Post, Author] | None = None,
    ) -> Post:
        rng = self._rng
        author = author or self._author()
        platform = author.platform if repost_of is None else repost_of[1].platform
        self._written += 1
        native_id = f"{self._story.seed}-{self._written:07d}"
        created_ms = start_ms + int(rng.random() * MINUTE_MS)
        observed_ms = created_ms
        if rng.random() < LATE:
            observed_ms += 20_000 + int(rng.random() * 880_000)
        values: dict[str, object] = {
            "platform": platform,
            "native_id": native_id,
            "author": author.pseudonym,
            "reach": author.reach,
            "text": text,
            "created_ms": created_ms,
            "observed_ms": observed_ms,
            "url": f"https://{platform}.example/p/{native_id}",
            "source": self._source,
        }
        if rng.random() < 0.8:  # the others do not say
            values["language"] = language
        if repost_of is not None:
            values["repost_of"] = repost_of[0].native_id
        post: Post = self._validate(values)
        return post

    def _author(self) -> Author:
        drawn = self._rng.random()
        return self._authors[int(drawn * drawn * len(self._authors))]

    def _language(self) -> Language:
        return "pl" if self._rng.random() < POLISH else "en"

    def _count(self, mean: float) -> int:
        """A Poisson draw; the sum of exponential gaps is fast enough for means below a hundred."""
        if mean <= 0.0:
            return 0
        limit = math.exp(-mean)
        product = self._rng.random()
        count = 0
        while product > limit:
            product *= self._rng.random()
            count += 1
        return count
