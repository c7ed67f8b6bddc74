"""`czujka forget`: takes an author or a post out of everything that shows text."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from models.errors import EXIT_OK, UserError

if TYPE_CHECKING:
    from models.post import Post
    from pipeline.settings import Settings

HELP = "erase an author or a post from alerts, console and reports"

EPILOG = """\
examples:
  czujka forget --post bluesky:at://did:plc:x/app.bsky.feed.post/y   one post, by its key
  czujka forget --author u_0123456789abcdef                          by the pseudonym shown
  czujka forget --author @ala --platform mastodon                    by the name on a platform

A name needs CZUJKA_PSEUDONYM_KEY, as the connectors have it. The order goes the way of any
delete, so it reaches alerts that run; alerts that are over get a new revision without the post.
Figures stay: they hold no text. The raw topics forget by their retention: posts after 7 days,
tallies after 2, dead letters after 14."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--post", metavar="KEY", help="platform:native_id, as an exhibit has it")
    who.add_argument("--author", metavar="AUTHOR", help="a pseudonym, or a name with --platform")
    parser.add_argument("--platform", help="on which the author has that name")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Sends the order and mends the alerts that are over."""
    import asyncio

    from connectors.publisher import Publisher
    from pipeline.commands.connect import target
    from pipeline.erasure import erase_from_alerts

    orders = make_orders(args, int(time.time() * 1000))
    with Publisher(target(settings)) as publisher:
        for order in orders:
            publisher.post(order)
        publisher.flush()
    posts = {order.key for order in orders if order.author is None}
    authors = {order.author for order in orders if order.author is not None}
    revised = asyncio.run(erase_from_alerts(settings, posts, authors))
    for alert in revised:
        print(f"taken out of {alert.alert_id}, revision {alert.revision}")
    names = ", ".join(sorted(posts | authors))
    print(f"ordered: forget {names}; {len(revised)} alerts that are over showed something of it")
    return EXIT_OK


def make_orders(args: argparse.Namespace, now_ms: int) -> list[Post]:
    """Deletes, as a connector would publish them.

    Raises:
        UserError: the arguments do not name a post or an author.
    """
    from models.post import Op, Post

    if args.post is not None:
        platform, _, native_id = args.post.partition(":")
        try:
            return [
                Post(
                    platform=platform,
                    native_id=native_id,
                    op=Op.DELETE,
                    created_ms=now_ms,
                    observed_ms=now_ms,
                    source="forget",
                )
            ]
        except ValueError as error:
            raise UserError(
                f"--post {args.post} is no key of a post: write platform:native_id, as "
                "`/api/alerts` shows it under exhibits"
            ) from error
    return [
        Post(
            platform=args.platform or "any",
            native_id=name,
            author=name,
            op=Op.AUTHOR_DELETE,
            created_ms=now_ms,
            observed_ms=now_ms,
            source="forget",
        )
        for name in pseudonyms(args.author, args.platform)
    ]


def pseudonyms(author: str, platform: str | None) -> list[str]:
    """The pseudonyms of an author, one for each key that is in use.

    Raises:
        UserError: a name without a platform or a key.
    """
    from connectors.privacy import Privacy
    from models.figures import PSEUDONYM

    if PSEUDONYM.fullmatch(author):
        return [author]
    if platform is None:
        raise UserError(
            f"--author {author} is no pseudonym (u_ and 16 hexadecimal digits): add --platform, to "
            "say where the author has that name"
        )
    return Privacy.from_environment().pseudonyms(platform, author)
