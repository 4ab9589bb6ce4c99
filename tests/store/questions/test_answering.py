"""Questions as a whole: what is documented is what comes, wrong values say which would do, saved ones are answered too."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN
from tests.store.questions.conftest import NOW
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.questions.answering import QUESTIONS, answer, listed
from watchglass.store.transactions import writing

GIVEN = {"model": "digits", "name": "rows", "run": "train-1", "id": "p1", "subject": "u1", "column": "customer"}


def test_there_are_twenty():
    assert len(QUESTIONS) == 20


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_gives_the_columns_it_documents_with_and_without_rows(name, labelled):
    question = QUESTIONS[name]
    needed = {p.name: GIVEN[p.name] for p in question.parameters if p.needed}
    needed |= {"column": "customer"} if name == "predictions_of_subject" else {}
    wide = {"start": "300d"} if any(p.name == "start" for p in question.parameters) else {}
    late = {"start": "2027-01-01"} if wide else {}
    for more in (wide, late):
        table = answer(labelled.folder, labelled.engine, name, {**needed, **more}, NOW)
        assert table.columns == tuple(column for column, _ in question.columns)
    assert len(question.sentence) > 10
    assert all(sentence for _, sentence in question.columns)


@pytest.mark.parametrize(
    "name", [name for name, question in QUESTIONS.items() if any(p.kind == "model" for p in question.parameters)]
)
def test_a_model_that_is_not_recorded_is_named_with_the_nearest(name, labelled):
    needed = {p.name: GIVEN[p.name] for p in QUESTIONS[name].parameters if p.needed}
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        answer(labelled.folder, labelled.engine, name, {**needed, "model": "digit"}, NOW)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("traffic", {}, "question 'traffic' needs 'model': the model"),
        (
            "traffic",
            {"model": "digits", "by": "week"},
            "by of question 'traffic' cannot be 'week': 'hour' or 'day' would do",
        ),
        ("traffic", {"model": "digits", "frm": "7d"}, "has no parameter 'frm'"),
        ("traffic", {"model": "digits", "star": "7d"}, "Did you mean 'start'"),
        ("traffic", {"model": 7}, "a text would do"),
        ("who_read", {"name": "rows", "start": "last week"}, "a length before now such as '7d'"),
        ("who_read", {"name": "rows", "limit": "none"}, "a whole number from 1 to 1000000 would do"),
        ("who_read", {"name": "rows", "limit": 0}, "a whole number from 1 to 1000000 would do"),
        ("who_read", {"name": "rows", "limit": True}, "a whole number from 1 to 1000000 would do"),
    ],
)
def test_a_bad_value_says_which_would_do(name, given, said, store):
    with pytest.raises(BadInput) as error:
        answer(store.folder, store.engine, name, given, NOW)
    assert said in str(error.value)


def test_an_unknown_question_names_the_nearest(store):
    with pytest.raises(UnknownName, match="Did you mean 'who_read'"):
        answer(store.folder, store.engine, "whoread", {}, NOW)


def test_a_saved_question_is_asked_like_one_of_the_twenty(labelled):
    sql = "SELECT count(*) AS n FROM predictions WHERE version = $version"
    with writing(labelled.engine) as transaction:
        transaction.execute(
            c.questions.insert(), [{"name": "mine", "sql": sql, "description": "How many?", "time": BEGIN}]
        )
    assert answer(labelled.folder, labelled.engine, "mine", {"version": "2"}, NOW).rows() == [{"n": 4}]
    with pytest.raises(BadInput, match="version"):
        answer(labelled.folder, labelled.engine, "mine", {}, NOW)
    found = listed(labelled.engine).rows()
    assert len(found) == 21
    assert (found[-1]["name"], found[-1]["source"], found[-1]["parameters"]) == ("mine", "saved", "version")


def test_a_store_without_rows_answers_nothing(store):
    for name, question in QUESTIONS.items():
        needed = {p.name for p in question.parameters if p.needed}
        if needed <= {"model"}:
            assert len(answer(store.folder, store.engine, name, {"model": "digits"} if needed else {}, NOW)) == 0, name
