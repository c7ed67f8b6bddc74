"""The subcommands of ``czujka``, one module each.

A command module has ``HELP`` (one line), ``add_arguments(parser)`` and
``run(args, settings) -> exit code``. `pipeline.cli` imports it to list it, so at the top it imports
only what is light; what it needs to work is imported in ``run``.
"""
