"""The text that Prometheus reads."""

from lateen.common.histogram import Histogram
from lateen.control_plane.exposition import Kind, by_label, counter, exposed, gauge, histogram


def test_samples_are_one_line_each_under_what_they_are() -> None:
    families = [counter("a_total", "As.", 3), by_label("b", Kind.GAUGE, "Bs.", "kind", {"y": 0.25, "x": 2})]
    assert exposed(families) == (
        "# HELP a_total As.\n# TYPE a_total counter\na_total 3\n"
        '# HELP b Bs.\n# TYPE b gauge\nb{kind="x"} 2\nb{kind="y"} 0.25\n'
    )


def test_a_family_without_samples_is_not_shown() -> None:
    assert exposed([by_label("b", Kind.GAUGE, "Bs.", "kind", {})]) == ""


def test_values_of_labels_may_have_any_character() -> None:
    text = exposed([gauge("c", "Cs.", 1, err='a "b"\\\n')])
    assert text.splitlines()[2] == r'c{err="a \"b\"\\\n"} 1'


def test_buckets_are_cumulated_and_their_bounds_belong_to_them() -> None:
    found = Histogram((0.5, 1))
    for value in (0.1, 0.5, 0.7, 8):
        found.observe(value)
    assert exposed([histogram("d", "Ds.", found)]).splitlines()[2:] == [
        'd_bucket{le="0.5"} 2',
        'd_bucket{le="1"} 3',
        'd_bucket{le="+Inf"} 4',
        "d_sum 9.3",
        "d_count 4",
    ]
