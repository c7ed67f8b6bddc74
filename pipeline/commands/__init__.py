"""The subcommands of ``czujka``, one module each.

A command module has ``HELP`` (one line, a literal: `pipeline.cli` reads it without importing),
``add_arguments(parser)`` and ``run(args, settings) -> exit code``, and may have an ``EPILOG`` with
examples.
"""
