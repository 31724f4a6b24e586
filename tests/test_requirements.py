"""The table of requirements agrees with the tests and the sources; docs/requirements.py describes it."""

import re

import pytest

from docs import requirements
from docs.requirements import COMMAND, DOCUMENT, ROOT, Row, cited_in

REQUIREMENTS = requirements.read()


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == requirements.write_document(REQUIREMENTS), f"run {COMMAND}"


def test_each_rule_that_a_test_cites_exists() -> None:
    assert REQUIREMENTS.unknown() == {}


def test_each_rule_that_a_source_mentions_exists() -> None:
    mentions = requirements.mentions_in(ROOT / "minizmtp")
    assert len(mentions) > 50
    assert {rule: files for rule, files in mentions.items() if rule not in REQUIREMENTS.rows} == {}


def test_each_rule_that_the_table_mentions_exists() -> None:
    texts = [row.libzmq + row.we + row.rule + row.why_untested + " ".join(row.rows) for row in each_row()]
    assert set(re.findall(requirements.MENTION, " ".join(texts))) <= set(REQUIREMENTS.rows)


def test_each_rule_has_a_test_or_a_reason() -> None:
    assert REQUIREMENTS.open() == []


def test_no_reason_outlives_the_first_test() -> None:
    assert [row.id for row in each_row() if row.why_untested and REQUIREMENTS.tests[row.id]] == []


@pytest.mark.parametrize("name", requirements.read_table()[0])
def test_the_numbers_of_a_chapter_run_from_one_without_a_gap(name: str) -> None:
    numbers = [int(row.id.rpartition("-")[2]) for row in each_row() if row.chapter == name]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(row.rule and (row.section or row.rows) for row in each_row())


def each_row() -> list[Row]:
    return list(REQUIREMENTS.rows.values())


# --- how a citation may be written ------------------------------------------------------------------------------------

FORMS = {
    "function": '@pytest.mark.requirement("37-1", "L-2")\nasync def test_it(): ...',
    "two marks": '@pytest.mark.requirement("L-2")\n@pytest.mark.requirement("37-1")\ndef test_it(): ...',
    "module": 'pytestmark = [pytest.mark.slow, pytest.mark.requirement("37-1", "L-2")]\ndef test_it(): ...',
    "module and function": 'pytestmark = pytest.mark.requirement("37-1")\n@pytest.mark.requirement("L-2", "37-1")\n'
    "def test_it(): ...",
    "one case": '@pytest.mark.parametrize("x", [1, pytest.param(2, marks=[pytest.mark.requirement("37-1", "L-2")])])\n'
    "def test_it(x): ...",
    "cases with a name": 'CASES: list = [pytest.param(2, marks=pytest.mark.requirement("37-1", "L-2"))]\n'
    'MORE = [3, *CASES]\n@pytest.mark.parametrize("x", MORE)\ndef test_it(x): ...',
    "decorator with a name": 'RULES = pytest.mark.requirement("37-1", "L-2")\n@RULES\ndef test_it(): ...',
    "a function that makes cases": "def case(x, *rules):\n"
    "    return pytest.param(x, marks=pytest.mark.requirement(*rules))\n"
    "def odd(x, *rules):\n    return case(2 * x + 1, *rules)\n"
    'CASES = [*(odd(n, "37-1") for n in range(3)), case("x", "L-2")]\n'
    '@pytest.mark.parametrize("x", CASES)\ndef test_it(x): ...',
}


@pytest.mark.parametrize("source", FORMS.values(), ids=FORMS)
def test_a_citation_is_found_in_each_form(source: str) -> None:
    assert cited_in(source) == {"test_it": ["37-1", "L-2"]}


def test_a_class_cites_for_each_of_its_tests() -> None:
    source = (
        'class TestIt:\n    pytestmark = pytest.mark.requirement("37-2")\n'
        '    @pytest.mark.requirement("37-1")\n    def test_one(self): ...\n    def test_two(self): ...\n'
        '@pytest.mark.requirement("37-3")\ndef helper(): ...\ndef test_nothing(): ...\n'
    )
    assert cited_in(source) == {"TestIt::test_one": ["37-2", "37-1"], "TestIt::test_two": ["37-2"]}


def test_a_citation_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"line 1: .* required is text"):
        cited_in("@pytest.mark.requirement(*RULES)\ndef test_it(): ...")
