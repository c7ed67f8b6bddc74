"""`czujka replay`: posts from a file, at any speed."""

from pipeline.commands.connect import REPLAY_EPILOG as EPILOG
from pipeline.commands.connect import add_replay_arguments as add_arguments
from pipeline.commands.connect import run_replay as run

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "publish the posts of a file, at the pace that it was written or faster"
