"""`czujka feedback`: what somebody says of an alert, from the command line."""

from __future__ import annotations

import argparse
import getpass
from typing import TYPE_CHECKING

from models.causes import Cause
from models.errors import EXIT_OK, UserError
from models.feedback import (
    ABOUT_A_POST,
    QUESTION_OF,
    Answer,
    Feedback,
    Sentiment,
    feedback_key,
)

if TYPE_CHECKING:
    from models.alert import CrisisAlert
    from pipeline.settings import Settings

HELP = "acknowledge an alert, or say what was right or wrong with it"

EPILOG = """\
examples:
  czujka feedback ALERT acknowledge
  czujka feedback ALERT false-alarm --note "a film of that name came out"
  czujka feedback ALERT wrong-cause --cause external
  czujka feedback ALERT not-negative --post bluesky:at://did:plc:x/app.bsky.feed.post/y
  czujka feedback ALERT wrong-sentiment --sentiment positive --post x:17
  czujka feedback ALERT false-alarm --withdraw       take it back

Of right-alert and false-alarm the later counts. `czujka report --list` shows the alerts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("alert", metavar="ALERT", help="its id")
    parser.add_argument("answer", choices=[answer.value for answer in Answer])
    parser.add_argument("--by", default=None, metavar="NAME", help="who says so (the user's name)")
    parser.add_argument("--note", default="", help="in a sentence, for the report")
    parser.add_argument("--cause", choices=[cause.value for cause in Cause], help="what it was")
    parser.add_argument("--post", metavar="KEY", help="platform:native_id of an exhibit")
    parser.add_argument(
        "--sentiment", choices=[sentiment.value for sentiment in Sentiment], help="what it is"
    )
    parser.add_argument("--withdraw", action="store_true", help="take the answer back")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Writes the answer."""
    import asyncio

    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from pipeline.feedback import send_answer, with_lesson
    from pipeline.report.reading import list_alerts, no_such_alert

    alerts = {alert.alert_id: alert for alert in await list_alerts(settings)}
    alert = alerts.get(args.alert)
    if alert is None:
        raise no_such_alert(args.alert, list(alerts))
    answer = Answer(args.answer)
    if args.withdraw:
        await send_answer(
            settings, feedback_key(alert.alert_id, QUESTION_OF[answer], args.post), None
        )
        print(f"taken back: {answer.value} on {alert.alert_id}")
        return EXIT_OK
    said = with_lesson(make_answer(alert, answer, args), alert)
    await send_answer(settings, said.key(), said)
    print(f"{said.by or 'somebody'}: {answer.value} on {alert.alert_id}")
    return EXIT_OK


def make_answer(alert: CrisisAlert, answer: Answer, args: argparse.Namespace) -> Feedback:
    """The answer that the arguments mean.

    Raises:
        UserError: something is missing, or belongs to another answer.
    """
    from datetime import UTC, datetime

    if (answer in ABOUT_A_POST) != (args.post is not None):
        raise UserError("--post goes with not-negative and wrong-sentiment, and these need it")
    if (answer is Answer.WRONG_SENTIMENT) != (args.sentiment is not None):
        raise UserError("--sentiment goes with wrong-sentiment, and wrong-sentiment needs it")
    if (answer is Answer.WRONG_CAUSE) != (args.cause is not None):
        raise UserError("--cause goes with wrong-cause, and wrong-cause needs it")
    shown = [exhibit.post for exhibit in alert.exhibits]
    if args.post is not None and args.post not in shown:
        raise UserError(
            f"{args.post} is no exhibit of the alert: {', '.join(shown) or 'it has none'}"
        )
    try:
        return Feedback(
            alert_id=alert.alert_id,
            brand=alert.brand,
            answer=answer,
            by=user_name() if args.by is None else args.by,
            at=datetime.now(tz=UTC),
            post=args.post,
            sentiment=args.sentiment,
            cause=args.cause,
            note=args.note,
        )
    except ValueError as error:
        from pipeline.feed import reason_of

        raise UserError(reason_of(error)) from error


def user_name() -> str:
    """The user of this machine, or nothing where it has no name."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return ""
