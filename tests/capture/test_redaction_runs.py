from __future__ import annotations

import watchglass as wg

MAIL = "ana@example.org"


def test_what_tests_say_and_what_functions_are_made_of_is_redacted_too(logs):
    wg.init(logs.root, redaction=[{"field": "*", "action": "mask", "pattern": "email"}])

    @wg.component("mail", after=[wg.check(_refuse, name="nobody")])
    def mail():
        return "ana@example.org"

    assert mail() == MAIL
    text = "".join(path.read_text() for path in logs.segments("graph"))
    assert MAIL not in text
    assert "***" in logs.graph("run")[-1]["tests"][0]["message"]
    (source,) = [event for event in logs.graph("source") if event["name"].endswith("mail")]
    assert "***" in source["text"]


def test_where_messages_are_dropped_there_is_no_source_and_a_test_says_nothing(logs):
    wg.init(logs.root, redaction=[{"field": "message", "action": "drop"}])

    @wg.component("mail", after=[wg.check(_refuse, name="nobody")])
    def mail():
        return MAIL

    mail()
    assert logs.graph("source") == []
    (told,) = logs.graph("run")[-1]["tests"]
    assert (told["name"], told["ok"], told["message"]) == ("nobody", False, "")


def test_the_tags_of_a_component_are_words_of_its_code_and_stay(logs):
    wg.init(logs.root, redaction=[{"field": "tags.*", "action": "drop"}])

    @wg.component("mail", tags=["nightly"])
    def mail():
        return None

    mail()
    (told,) = logs.graph("component")
    assert told["tags"] == ["nightly"]


def _refuse(result):
    raise ValueError(result)
