"""The commands of `czujka`, one a file: `add_arguments` and `run`."""
