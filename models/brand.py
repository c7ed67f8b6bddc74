"""A brand of the watchlist: what mentions it, and what is planned for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from models.plan import BALANCED, Event, FalseAlarms, Language, Owner, Part, Playbooks, Zone
from models.terms import plain_term, stem_term

_INHERITED = ("languages", "false_alarms", "owner", "public_figures")


def _checked(read: Callable[[str], object]) -> Callable[[str], str]:
    def check(term: str) -> str:
        read(term)
        return term

    return check


PlainTerm = Annotated[str, Field(max_length=200), AfterValidator(_checked(plain_term))]
StemTerm = Annotated[str, Field(max_length=200), AfterValidator(_checked(stem_term))]
Handle = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=100)]
PlatformName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Account = Annotated[str, Field(min_length=1, max_length=256)]


class Match(Part):
    """Which texts mention the brand."""

    any: tuple[PlainTerm, ...] = Field(
        default=(), description="Words, several words, #hashtags, @handles; one is enough."
    )
    stems: tuple[StemTerm, ...] = Field(default=(), description="Terms with * for endings.")
    none: tuple[StemTerm, ...] = Field(
        default=(), description="A text with one of these does not mention the brand; * may stand."
    )

    @model_validator(mode="after")
    def _something(self) -> Match:
        if not self.any and not self.stems:
            raise ValueError("matches nothing: give at least one term under `any` or `stems`")
        return self


class Follow(Part):
    """What to read whole, where platforms have places of the brand's own."""

    dids: tuple[Annotated[str, Field(pattern=r"^did:[a-z]+:\S+$", max_length=256)], ...] = Field(
        default=(), description="Accounts of Bluesky, as did:plc:…"
    )
    subreddits: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{2,32}$")], ...] = Field(
        default=(), description="Of Reddit, without r/."
    )
    channels: tuple[Annotated[str, Field(pattern=r"^UC[A-Za-z0-9_-]{4,40}$")], ...] = Field(
        default=(), description="Channel ids of YouTube, as UC…"
    )
    apps: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}/\d{4,12}$")], ...] = Field(
        default=(), description="Of the App Store, country and id, as pl/123456789."
    )
    feeds: tuple[Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2048)], ...] = Field(
        default=(), description="Addresses of RSS and Atom feeds."
    )


class PublicFigure(Part):
    """Somebody whose handle may be shown; all other authors stay pseudonyms."""

    handle: Handle = Field(description="As it is shown, for example @ceo.")
    accounts: dict[PlatformName, Account] = Field(
        min_length=1,
        description="By platform: the author as its connector knows it (an id where the platform "
        "has ids, else the name), or the pseudonym that alerts show.",
    )


class Defaults(Part):
    """What holds for every brand that does not say otherwise."""

    false_alarms: FalseAlarms = BALANCED
    languages: tuple[Language, ...] = Field(default=("pl", "en"), min_length=1)
    timezone: Zone | None = Field(default=None, description="For times written without a zone.")
    owner: Owner | None = None
    public_figures: tuple[PublicFigure, ...] = ()
    playbooks: Playbooks = Field(default_factory=dict)


class Brand(Part):
    """A brand that is watched."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Never changes.")
    name: str = Field(min_length=1, max_length=200)
    match: Match
    follow: Follow = Follow()
    languages: tuple[Language, ...] = Field(default=("pl", "en"), min_length=1)
    false_alarms: FalseAlarms = BALANCED
    owner: Owner | None = None
    public_figures: tuple[PublicFigure, ...] = Field(
        default=(), description="Authors whose handle alerts and reports may show."
    )
    events: tuple[Event, ...] = ()
    playbooks: Playbooks = Field(default_factory=dict)

    def completed(self, defaults: Defaults) -> Brand:
        """The brand with what it leaves out taken from the defaults (playbooks stay apart)."""
        left_out = [name for name in _INHERITED if name not in self.model_fields_set]
        return self.model_copy(update={name: getattr(defaults, name) for name in left_out})
