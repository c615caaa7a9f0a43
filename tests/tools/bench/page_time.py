"""Measure what RESTORE.html weighs, and how long it takes to be made, read back and drawn.

Run it from the repository: python -m tests.tools.bench.page_time [ROUNDS]

In all days but the first, each race changes in each batch. Times are medians in milliseconds: to make the page, as each
tick does; to read the day back from it, as the next run does; until Debian's chromium has drawn the page; and until it
has drawn an hour of it.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from meosbackup.guide import page, picture_data
from meosbackup.guide.page_data import PageFacts
from tests.toolkit.browser import chromium
from tests.toolkit.pictured_days import largest_day, race_day

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_DRAWN = """() => new Promise((tell) => requestAnimationFrame(() => setTimeout(() => tell(performance.now()))))"""
_WATCH = f"addEventListener('load', () => {{ window.drawn = ({_DRAWN})(); }})"
_ZOOM = """() => {
    const began = performance.now();
    document.querySelectorAll('.picture-bar button')[1].click();
    document.querySelector('.picture-svg').getBoundingClientRect();
    return performance.now() - began;
}"""


def main() -> None:
    """Measure, and print a table."""
    rounds = int(next((argument for argument in sys.argv[1:] if argument.isdecimal()), 5))
    print("batches  races   page kB  day kB    make ms  read ms  open ms  zoom ms")  # noqa: T201
    days = (race_day(), largest_day(600, 3), largest_day(600, 30), largest_day(1_440, 30))
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for told in days:
            html = page.page_html(told)
            path = Path(folder, "RESTORE.html")
            path.write_text(html, "utf-8")
            shown = [_drawn(browser, path) for _ in range(rounds)]
            times = [
                [_timed(lambda: page.page_html(told)) for _ in range(rounds)],  # noqa: B023 - called at once
                [_timed(lambda: page.day_in(html)) for _ in range(rounds)],  # noqa: B023
                *zip(*shown, strict=True),
            ]
            sizes = f"{len(html.encode()) / 1e3:8.1f}  {_day_bytes(told) / 1e3:6.1f}"
            middles = "  ".join(f"{statistics.median(each):7.0f}" for each in times)
            print(f"{len(told.day.batches):7,}  {len(told.day.races):5}  {sizes}    {middles}")  # noqa: T201


def _day_bytes(told: PageFacts) -> int:
    zone = timezone(told.batch.taken.utcoffset() or timedelta())
    return len(json.dumps(picture_data.document(told.day, zone), ensure_ascii=False).encode())


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def _drawn(browser: "Browser", path: Path) -> tuple[float, float]:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.add_init_script(_WATCH)
    tab.goto(path.as_uri())
    drawn, zoomed = float(tab.evaluate("window.drawn")), float(tab.evaluate(_ZOOM))
    tab.close()
    return drawn, zoomed


if __name__ == "__main__":
    main()
