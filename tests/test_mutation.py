"""The mutants fit today's source; `python -m tests.mutation` then shows that tests notice them."""

import ast

import pytest

from tests.mutation import ROOT, read_lists

MUTANTS = list(read_lists())


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_mutant_is_another_program(mutant):
    source = (ROOT / mutant.file).read_text("utf-8")
    mutated = ast.parse(mutant.of(source))
    assert ast.dump(mutated) != ast.dump(ast.parse(source))


def test_each_mutant_has_a_name_of_its_own():
    assert len({str(mutant) for mutant in MUTANTS}) == len(MUTANTS)


def test_an_old_text_that_is_gone_is_noticed():
    with pytest.raises(ValueError, match="found 0 times"):
        MUTANTS[0].of("another text")
