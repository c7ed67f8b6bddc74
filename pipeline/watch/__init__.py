"""The watch stage on Faust."""
