"""Privacy at the edge: what names a person is replaced before anything is published.

Authors become keyed pseudonyms, texts are masked (`connectors.masking`), links in which the author
stands are left out. There is no way round it: the command wraps every live source by
`private`, and files are read through the same `Privacy`.

The key comes from the environment. While it is being changed, both the new and the old one are
known (``CZUJKA_PSEUDONYM_KEY=new,old``): posts carry the pseudonym of the first, and what takes
something back (a delete, an author's leaving) is said under each, so that it finds what was
published under either.
"""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from connectors.base import Acknowledging, Page, Pages, Reject, Source
from connectors.errors import ConfigurationError, MalformedError
from connectors.masking import mask
from models.post import MAX_TEXT_CHARS, Op, Post

KEY_VARIABLE = "CZUJKA_PSEUDONYM_KEY"
MIN_KEY_CHARS = 16

_PSEUDONYM = re.compile(r"u_[0-9a-f]{16}")
_FILE_KEY = b"czujka: files that are read without a key"
"""Gives the same pseudonyms everywhere; hides names from the eye, not from someone who guesses."""

_NAMING_FIELDS = frozenset([
    "account", "acct", "actor", "artist", "author", "authors", "avatar", "by", "by_username",
    "creator", "did", "display_name", "displayname", "from", "handle", "name", "nick", "nickname",
    "owner", "profile", "screen_name", "sender_chat", "user", "users", "userid", "user_id",
    "username",
    "author_id", "authordisplayname", "authorprofileimageurl", "authorchannelurl",
    "authorchannelid", "author_fullname",
])  # fmt: skip
_REMOVED = "[removed]"
_NAMING_PAIR = re.compile(
    rf'("(?:{"|".join(sorted(_NAMING_FIELDS))})"\s*:\s*)"(?:[^"\\]|\\.)*+"?', re.IGNORECASE
)
"""A naming field in JSON that is broken elsewhere."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """How authors and texts are made fit for publishing.

    Attributes:
        keys: of the pseudonyms, the one in use first, then those that are on their way out.
        known_pseudonyms: authors are pseudonyms already, of an earlier reading; they stay, and
            anything else in their place is malformed. For files alone.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    known_pseudonyms: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Privacy:
        """With the keys of the environment.

        Raises:
            ConfigurationError: there is none, or one is too short.
        """
        written = (os.environ if environment is None else environment).get(KEY_VARIABLE, "")
        if not written.strip():
            raise ConfigurationError(
                f"{KEY_VARIABLE} is not set, and authors are published as pseudonyms only: set it "
                "to a long random text, for example the output of `openssl rand -hex 32`"
            )
        return cls(_keys_of(written))

    @classmethod
    def for_files(
        cls, environment: Mapping[str, str] | None = None, *, known_pseudonyms: bool = False
    ) -> Privacy:
        """As `from_environment`; without a key, with one that is the same everywhere.

        Raises:
            ConfigurationError: the key in the environment is too short.
        """
        written = (os.environ if environment is None else environment).get(KEY_VARIABLE, "")
        keys = _keys_of(written) if written.strip() else (_FILE_KEY,)
        return cls(keys, known_pseudonyms)

    def pseudonym(self, platform: str, author: str, key: bytes | None = None) -> str:
        """The pseudonym of an author: the same name on two platforms gives two.

        Raises:
            MalformedError: the authors are said to be pseudonyms, and this is none.
        """
        if self.known_pseudonyms:
            if _PSEUDONYM.fullmatch(author) is None:
                raise MalformedError(
                    "author: not a pseudonym, but --authors pseudonyms says that all are"
                )
            return author
        message = f"{platform}\0{author}".encode("utf-8", "surrogatepass")
        return f"u_{hmac.digest(key or self.keys[0], message, 'sha256')[:8].hex()}"

    def pseudonyms(self, platform: str, author: str) -> list[str]:
        """All pseudonyms of somebody, one for each key, with and without @ before the name.

        Raises:
            MalformedError: see `pseudonym`.
        """
        names = {author, author.removeprefix("@")}
        return sorted({one for name in names for one in self._names(platform, name)})

    def protect(self, post: Post) -> list[Post]:
        """The post as it may be published; more than one where it takes something back.

        Raises:
            MalformedError: see `pseudonym`.
        """
        if post.op is Op.AUTHOR_DELETE:
            names = self._names(post.platform, post.author or post.native_id)
            return [
                post.model_copy(update={"native_id": n, "author": n, "text": ""}) for n in names
            ]
        text = mask(post.text)
        changes: dict[str, object] = {}
        if text is not post.text:
            changes["text"] = text[:MAX_TEXT_CHARS]
        if post.author is not None:
            changes["author"] = self.pseudonym(post.platform, post.author)
            if post.url is not None and _stands_in(post.author, post.url):
                changes["url"] = None
        return [post.model_copy(update=changes) if changes else post]

    def reject(self, reject: Reject) -> Reject:
        """A record that could not become a post, without what names a person."""
        return replace(reject, raw=_without_names(reject.raw), reason=mask(reject.reason))

    def page(self, page: Page) -> Page:
        """A page as it may be published."""
        posts: list[Post] = []
        rejects = [self.reject(reject) for reject in page.rejects]
        for post in page.posts:
            try:
                posts += self.protect(post)
            except MalformedError as error:
                rejects.append(Reject(b"{}", str(error), post.key))
        return replace(page, posts=tuple(posts), rejects=tuple(rejects))

    def _names(self, platform: str, author: str) -> Iterable[str]:
        if self.known_pseudonyms:
            return [self.pseudonym(platform, author)]
        return [self.pseudonym(platform, author, key) for key in self.keys]


class PrivateSource:
    """Another source, whose pages are made fit for publishing."""

    def __init__(self, source: Source, privacy: Privacy) -> None:
        self._source = source
        self._privacy = privacy

    @property
    def name(self) -> str:
        """Name of the source within."""
        return self._source.name

    async def pages(self, cursor: str | None) -> Pages:
        """The pages of the source within, protected."""
        async with aclosing(self._source.pages(cursor)) as pages:
            async for page in pages:
                yield self._privacy.page(page)


class PrivateAcknowledgingSource(PrivateSource):
    """The same for a source that wants to know what is kept."""

    def __init__(self, source: Source, privacy: Privacy) -> None:
        super().__init__(source, privacy)
        assert isinstance(source, Acknowledging)
        self._acknowledging = source

    def acknowledge(self, cursor: str) -> None:
        """Passes on what is kept."""
        self._acknowledging.acknowledge(cursor)


def private(source: Source, privacy: Privacy) -> Source:
    """The source, made fit for publishing."""
    kind = PrivateAcknowledgingSource if isinstance(source, Acknowledging) else PrivateSource
    return kind(source, privacy)


def _keys_of(written: str) -> tuple[bytes, ...]:
    keys = tuple(part.strip().encode() for part in written.split(","))
    if any(len(key) < MIN_KEY_CHARS for key in keys):
        raise ConfigurationError(
            f"{KEY_VARIABLE}: each key needs {MIN_KEY_CHARS} characters or more; while a key is "
            "being changed write NEW,OLD"
        )
    return keys


def _stands_in(author: str, url: str) -> bool:
    """Whether a name is a word of its own in a link; no pattern, for there are many authors."""
    name, link = author.removeprefix("@").casefold(), url.casefold()
    start = link.find(name) if name else -1
    while start >= 0:
        end = start + len(name)
        if not (link[start - 1 : start].isalnum() or link[end : end + 1].isalnum()):
            return True
        start = link.find(name, start + 1)
    return False


def _without_names(raw: bytes) -> bytes:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        text = _NAMING_PAIR.sub(rf'\1"{_REMOVED}"', raw.decode("utf-8", "surrogateescape"))
        return mask(text).encode("utf-8", "surrogateescape")
    scrubbed = _scrub(record)
    if scrubbed == record:
        return raw
    return json.dumps(scrubbed, ensure_ascii=False).encode("utf-8", "replace")


def _scrub(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: _REMOVED if name.lower() in _NAMING_FIELDS and part else _scrub(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_scrub(part) for part in value]
    return mask(value) if isinstance(value, str) else value
