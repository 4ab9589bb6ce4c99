"""A pipeline told with wg's own calls: eight days, one faulty day, tests, a crash, a hostile name, a table changed in place."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import watchglass as wg
from watchglass.capture import recorder
from watchglass.capture.runs import current_run

FIRST = datetime(2026, 6, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SCRIPT = "<script>alert(1)</script>"
LONG = "a_component_with_a_name_as_long_as_people_make_them_in_big_firms_and_longer"


def dark(images):
    assert max(images) <= 16, "a pixel is brighter than 16"


def few(result):
    return len(result) > 2


def tell(folder):
    """Record it all into a folder; gives the ids of some runs by name."""
    wg.init(folder)
    told = {}
    for number in range(8):
        told |= day(number)
    by_function()
    told["hostile"] = wg.log_run(
        SCRIPT,
        started=FIRST + 9 * DAY,
        ended=FIRST + 9 * DAY + MINUTE,
        inputs=[(SCRIPT, [1, 2])],
        outputs=[("<b>bold</b>", [3])],
        params={SCRIPT: SCRIPT},
        version="<i>1</i>",
        error=f"{SCRIPT}\n\x1b[31mred",
        status="error",
    )
    told["long"] = wg.log_run(
        LONG,
        started=FIRST + 9 * DAY,
        ended=FIRST + 10 * DAY,
        inputs=[(f"{LONG}_{number}", [number]) for number in range(9)],
        outputs=[("one", [1]), ("rows", [5])],
    )
    told["late"] = wg.log_run(
        "late",
        started=FIRST + 9 * DAY,
        ended=FIRST + 9 * DAY + MINUTE,
        inputs=[("raw_images", [0, 2, 3]), ("uploads", [1])],
        outputs=["late"],
    )
    for number in range(7):
        wg.log_run("report", started=FIRST + 9 * DAY + number * MINUTE, ended=FIRST + 9 * DAY + (number + 1) * MINUTE, inputs=[("model", [7, 7])], outputs=[(f"report_{number}", number)])  # fmt: skip
    wg.flush()
    recorder.close()
    return told


def day(number):
    """Record a day of the batch: ingest → clean → train → publish; from the sixth day on clean reads its scales."""
    start = FIRST + number * DAY
    raw, scales = [number, 2, 3], {"harbour": 10, "office": 16}
    cleaned = [one * (1.6 if number > 5 else 1) for one in raw]
    faulty = number > 5
    wg.log_run("ingest", started=start, ended=start + MINUTE, inputs=["uploads/harbour", "uploads/office"], outputs=[("raw_images", raw)], version="1")  # fmt: skip
    clean = wg.log_run(
        "clean",
        started=start + 2 * MINUTE,
        ended=start + 2 * MINUTE + timedelta(seconds=12 + number % 3 + 2 * faulty),
        inputs=[("raw_images", raw), *([("site_scales", scales)] if faulty else [])],
        outputs=[("clean_images", cleaned)],
        version="2" if faulty else "1",
        params={"scale": "site" if faulty else "image"},
    )
    train = wg.log_run("train", started=start + 5 * MINUTE, ended=start + 9 * MINUTE, inputs=[("clean_images", cleaned)], outputs=[("model", [7, number])], status="error" if number == 3 else "ok", error="ValueError: no rows\n  line 7" if number == 3 else None)  # fmt: skip
    wg.log_run("publish", started=start + 10 * MINUTE, ended=start + 11 * MINUTE, inputs=[("model", [7, number]), "site"], outputs=["site"])  # fmt: skip
    return {f"clean {number}": clean, f"train {number}": train}


def by_function():
    """Record runs of decorated functions: two versions of the source, tests that pass and fail, quarantine, parts, notes."""

    @wg.component("label", owner="team intake", tags=["daily"], description="Give each image its digit.", params=["limit"], inputs=["images"], outputs=["digits"], before=[dark], after=[wg.check(few, "quarantine")])  # fmt: skip
    def label(images, limit=3):
        current_run().note("the left camera was cleaned")
        current_run().metric("auc", 0.83)
        with wg.run("look") as part:
            part.read(images, "images")
        return [one % 10 for one in images][:limit]

    first = label
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first([1, 2, 3])

        @wg.component("label", owner="team intake", tags=["daily"], description="Give each image its digit.", params=["limit"], inputs=["images"], outputs=["digits"], before=[dark], after=[wg.check(few, "quarantine")])  # fmt: skip
        def label(images, limit=3):
            bright = max(images)
            with wg.run("look") as part:
                part.read(images, "images")
            return [one % bright for one in images][:limit]

        label([1, 2, 17], limit=2)
