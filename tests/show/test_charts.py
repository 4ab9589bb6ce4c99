from __future__ import annotations

import math
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from xml.etree import ElementTree as ET

import orjson
import pytest
import vl_convert

from watchglass.records import Evidence, Histogram, Point
from watchglass.show.change import change, scale_of
from watchglass.show.drawing import LIGHT, PHONE, POINTS_A_PIXEL, RAMP, WIDE, Span, day_ticks, spread, thinned, ticks
from watchglass.show.evidence import charts, odds, performance
from watchglass.show.histogram import densities, drawn_edges, histogram
from watchglass.show.render import inline, picture, png, printed
from watchglass.show.sparkline import header, ramp_key, sparkline


@pytest.fixture
def span(made):
    return Span(made.FIRST, made.DAYS)


def every_chart(made, span):
    yield from (sparkline(status, span) for status in made.models())
    yield header(span)
    yield ramp_key()
    for incident in (made.page(), made.notice(), made.resolved(), made.hostile()):
        yield from charts(incident, WIDE, made.digits())
        yield from charts(incident, PHONE)
    yield from (change(found, scale_of(made.slices())) for found in made.slices())


def test_every_chart_compiles_and_has_a_sentence(made, span):
    for chart in every_chart(made, span):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            vl_convert.vegalite_to_vega(chart.spec, vl_version="6.4", show_warnings=True)
        assert chart.sentence.endswith(".")
        assert chart.sentence.startswith(chart.headline)


def test_a_drawing_has_no_style_no_free_id_and_no_colour_but_tokens(made, span):
    seen = set()
    for chart in every_chart(made, span):
        drawn = inline(chart.spec)
        root = ET.fromstring(drawn)
        assert root.get("aria-hidden") == "true"
        ids = {element.get("id") for element in root.iter()} - {None}
        assert not ids & seen
        seen |= ids
        for element in root.iter():
            assert element.tag not in {"style", "script", "image", "a"}
            assert not {"style", "class", "role", "href"} & set(element.attrib)
            for name in ("fill", "stroke"):
                value = element.get(name, "none")
                assert value in {"none", "transparent"} or value in {f"var(--{token})" for token in LIGHT}, value


def test_a_hostile_name_is_text_in_a_drawing(made):
    for chart in charts(made.hostile(), WIDE):
        assert "<script" not in inline(chart.spec)
        assert "<script" not in picture(chart.spec)


def test_the_onset_and_the_strip_stand_on_the_same_days(made, span):
    chart = sparkline(made.digits(), span)
    root = ET.fromstring(inline(chart.spec))
    rules = [e for e in root.iter("line") if e.get("stroke") == "var(--bad)" and e.get("stroke-dasharray") is None]
    assert len(rules) == 1
    x = float(re.search(r"translate\(([\d.]+),", rules[0].get("transform"))[1])
    assert x == pytest.approx(50 / 60 * WIDE, abs=0.1)
    cells = [e for e in root.iter("path") if str(e.get("fill")).startswith("var(--h")]
    assert len(cells) == made.DAYS
    assert any(e.get("d").startswith(f"M{x:g},") for e in cells)


def test_the_ramp_changes_colour_at_its_steps(made, span):
    day = timedelta(days=1)
    values = [0.2, RAMP[0], 0.99, RAMP[1], 1.49, RAMP[2], RAMP[3], RAMP[4], 40.0]
    drift = tuple((made.FIRST + i * day, value) for i, value in enumerate(values))
    root = ET.fromstring(inline(sparkline(made.status("x", drift=drift), span).spec))
    found = [e.get("fill")[-2] for e in root.iter("path") if str(e.get("fill")).startswith("var(--h")]
    assert "".join(found) == "011223455"


def test_a_day_without_labels_is_a_gap_in_the_line(made, span):
    day = timedelta(days=1)
    points = list(made.digits().series)
    points[20] = Point(points[20].time, replace(points[20].estimate, value=math.nan, low=math.nan, high=math.nan))
    del points[30]
    root = ET.fromstring(inline(sparkline(replace(made.digits(), series=tuple(points)), span).spec))
    line = next(e for e in root.iter("path") if e.get("stroke") == "var(--accent)")
    assert line.get("d").count("M") == 3
    assert points[0].time + day == points[1].time


def test_a_silent_model_has_hollow_days(made, span):
    status = next(s for s in made.models() if s.health == "No data")
    root = ET.fromstring(inline(sparkline(status, span).spec))
    hollow = [e for e in root.iter("path") if e.get("stroke") == "var(--rule)"]
    assert len(hollow) == 1


def test_the_limit_is_dotted_and_is_left_out_where_there_is_none(made, span):
    with_limit = inline(sparkline(made.digits(), span).spec)
    without = inline(sparkline(replace(made.digits(), limit=None), span).spec)
    assert with_limit.count('stroke-dasharray="2,3"') == without.count('stroke-dasharray="2,3"') + 1


def test_an_incident_draws_what_it_has_and_no_more(made):
    assert [chart.name for chart in charts(made.page(), WIDE)] == ["accuracy", "histogram", "evidence"]
    assert charts(made.bare(), WIDE) == []
    assert performance(made.bare(), WIDE) is None
    assert odds(made.bare(), WIDE) is None
    assert histogram(made.bare(), WIDE) is None


def test_sentences_give_the_numbers_of_the_records(made):
    first, second, third = charts(made.page(), WIDE, made.digits())
    assert first.headline == "Accuracy of site = harbour went from 0.956 to 0.699"
    assert second.headline == "ink at site = harbour moved from a mean of 0.305 to 0.481"
    assert third.headline == "It passed the alarm level on 14 June, 2 days after the onset"
    shares = charts(made.notice(), WIDE)[1]
    assert shares.headline.replace("\u00a0", " ") == "prediction: the share of 1 went from 10.4 % to 19.3 %"


def test_evidence_below_the_alarm_says_so(made):
    low = replace(made.page(), charts=Evidence(odds=((made.FIRST, 0.0), (made.ONSET, 0.2), (made.END, math.nan))))
    (chart,) = charts(low, WIDE)
    assert chart.headline == "It stays below the alarm level"


def test_bins_without_an_end_are_drawn_with_one(made):
    edges = drawn_edges(made.ink().edges)
    assert all(math.isfinite(edge) for edge in edges)
    assert edges == sorted(edges)
    orjson.dumps(histogram(made.page(), WIDE).spec)
    assert drawn_edges([-math.inf, 0.0, math.inf]) == [-1.0, 0.0, 1.0]


def test_a_spike_does_not_flatten_the_rest():
    heights = densities([0.0, 1e-12, 1.0, 2.0], [0.5, 0.25, 0.25])
    assert max(heights) <= 64 * min(heights)


def test_only_ten_categories_are_drawn_and_the_one_that_moved_is_among_them(made):
    names = tuple(f"value {i}" for i in range(40))
    column = replace(made.notice().columns[0], value="value 33")
    shares = Histogram("prediction", (), names, (1 / 40,) * 40, (1 / 40,) * 40)
    incident = replace(made.notice(), columns=(column,), charts=Evidence(histogram=shares))
    drawn = inline(histogram(incident, WIDE).spec)
    assert drawn.count("value ") == 10
    assert "value 33" in drawn


def test_a_chart_holds_at_most_four_points_a_pixel(made):
    day = timedelta(days=1)
    first = made.ONSET
    long = tuple(Point(first + i * day, made.estimate(0.9, 50)) for i in range(5000))
    incident = replace(made.page(), charts=Evidence(slice_performance=long))
    chart = performance(incident, WIDE)
    rows = max(len(layer["data"]["values"]) for layer in chart.spec["layer"] if "data" in layer)
    assert rows == POINTS_A_PIXEL * chart.spec["width"]
    assert len(thinned([{"t": 1}] * 9, 1)) == POINTS_A_PIXEL


def test_labels_at_the_line_do_not_cover_each_other():
    placed = sorted(spread([100.0, 101.0, 99.0, 176.0], 6.0, 172.0))
    assert all(b - a >= 15 for a, b in pairwise(placed))
    assert placed[-1] <= 172.0


def test_ticks_are_round_and_inside():
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(3.0, 3.0) == [3.0]
    assert day_ticks(Span(datetime(2026, 1, 1, tzinfo=UTC), 1))[0].day == 1


def test_a_picture_to_take_away_needs_no_stylesheet(made):
    spec = charts(made.page(), WIDE)[0].spec
    assert "var(--" not in orjson.dumps(printed(spec)).decode()
    drawn = picture(spec)
    assert "var(--" not in drawn
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert LIGHT["accent"] in drawn
    assert png(spec).startswith(b"\x89PNG")


def test_threads_draw_the_same(made, span):
    specs = [sparkline(status, span).spec for status in made.models()] * 3
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(inline, specs))
    assert drawn == [inline(spec) for spec in specs]


def test_the_light_colours_are_those_of_the_stylesheet():
    css = (files("watchglass.web") / "static" / "style.css").read_text()
    for token, colour in LIGHT.items():
        assert f"--{token}: light-dark({colour}," in css


@pytest.mark.parametrize(
    "found",
    [
        Histogram("x", (10.0,) * 5, (), (0.25,) * 4, (0.25,) * 4),
        Histogram("x", (0.0, 1.0), (), (1.0,), (0.0,)),
        Histogram("x", (0.0, 1.0, 2.0), (), (0.0, 0.0), (0.0, 0.0)),
        Histogram("x", (), ("a",), (0.0,), (0.0,)),
    ],
)
def test_a_column_that_hardly_varies_is_drawn_too(made, found):
    incident = replace(made.notice(), charts=Evidence(histogram=found))
    assert inline(histogram(incident, PHONE).spec).startswith("<svg")


def test_a_histogram_that_does_not_fit_its_bins_is_left_out(made):
    wrong = Histogram("x", (0.0, 1.0), (), (0.5, 0.5), (0.5, 0.5))
    assert histogram(replace(made.notice(), charts=Evidence(histogram=wrong)), WIDE) is None
