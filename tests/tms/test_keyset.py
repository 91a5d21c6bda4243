"""Paging by key: forwards, backwards, at the ends, and with keys that are none."""

import pytest

from devices.models import FunctionalGroup
from tms.keyset import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups():
    FunctionalGroup.objects.all().delete()
    FunctionalGroup.objects.bulk_create(FunctionalGroup(code=f"G{n:02}") for n in range(10))
    return FunctionalGroup.objects.all()


def codes(page) -> str:
    return " ".join(group.code for group in page.rows)


def test_pages_follow_each_other_and_lead_back(groups):
    first = page_of(groups, "code", {}, 4)
    second = page_of(groups, "code", {"after": first.after}, 4)
    third = page_of(groups, "code", {"after": second.after}, 4)
    assert [codes(p) for p in (first, second, third)] == [
        "G00 G01 G02 G03",
        "G04 G05 G06 G07",
        "G08 G09",
    ]
    assert (first.before, third.after) == (None, None)
    assert codes(page_of(groups, "code", {"before": third.before}, 4)) == codes(second)
    back = page_of(groups, "code", {"before": second.before}, 4)
    assert (codes(back), back.before) == (codes(first), None)
    assert back.after == first.after


def test_a_descending_key_begins_with_the_greatest(groups):
    first = page_of(groups, "-code", {}, 4)
    assert codes(first) == "G09 G08 G07 G06"
    assert codes(page_of(groups, "-code", {"after": first.after}, 4)) == "G05 G04 G03 G02"


def test_a_full_last_page_has_no_next(groups):
    assert page_of(groups, "code", {"after": "G05"}, 4).after is None


def test_a_key_that_cannot_be_one_gives_the_first_page(groups):
    page = page_of(groups, "pk", {"after": "nonsense"}, 4)
    assert codes(page) == "G00 G01 G02 G03"
    assert page.before is None


def test_nothing_is_an_empty_page(groups):
    page = page_of(groups.none(), "code", {}, 4)
    assert (page.rows, page.links()) == ([], {"previous": None, "next": None, "first": None})


def test_links_keep_the_other_parameters(groups):
    page = page_of(groups, "code", {"after": "G03"}, 4)
    links = page.links({"q": ["a b"], "after": ["G03"]})
    assert links == {
        "previous": "?q=a+b&before=G04",
        "next": "?q=a+b&after=G07",
        "first": "?q=a+b",
    }


def test_a_page_is_one_query_without_offset_or_count(groups, django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        page_of(groups, "code", {"after": "G03"}, 4)
    (query,) = queries.captured_queries
    assert "OFFSET" not in query["sql"]
    assert "COUNT" not in query["sql"]


def test_a_key_of_several_fields_goes_on_where_it_was(groups):
    FunctionalGroup.objects.filter(code__lt="G06").update(kind="BILL_CYCLE")
    key = "-kind,-code"
    first = page_of(groups, key, {}, 4)
    second = page_of(groups, key, {"after": first.after}, 4)
    assert (codes(first), codes(second)) == ("G09 G08 G07 G06", "G05 G04 G03 G02")
    assert codes(page_of(groups, key, {"before": second.before}, 4)) == codes(first)
    up = page_of(groups, "kind,code", {"after": "BILL_CYCLE,G04"}, 3)
    assert codes(up) == "G05 G06 G07"


@pytest.mark.parametrize("mark", ["nonsense", "a,b,c", "x,", ",1"])
def test_half_a_key_gives_the_first_page(groups, mark):
    assert codes(page_of(groups, "-id,-kind", {"after": mark}, 2)) == "G09 G08"
