"""A little of the public data sets, for tests of what reads all of them."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest

DATA = Path(os.environ.get("CZUJKA_DATA", Path(__file__).parents[2] / "../shared/data"))
NOT_NEEDED = ("nab", "poleval2019_harmful")


def copy_beginnings(folder: Path, lines: int) -> Path:
    """Copies the first lines of the data sets of sentiment; tables and archives are linked whole.

    Skips the test where the data sets are absent.
    """
    if not DATA.exists():
        pytest.skip("the public data sets are not here")
    for path in DATA.resolve().rglob("*"):
        place = path.relative_to(DATA.resolve())
        if not path.is_file() or place.parts[0] in NOT_NEEDED or path.suffix == ".md":
            continue
        copy = folder / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".gz", ".csv"):
            copy.symlink_to(path)
        else:
            with path.open(encoding="utf-8", newline="\n") as file:
                copy.write_text("".join(islice(file, lines)), encoding="utf-8", newline="\n")
    return folder
