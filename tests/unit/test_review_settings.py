"""`[review]` and the files that it names: validated as a whole, each mistake told where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import SettingsError
from workbench.settings import Settings, parse_settings
from workbench.settings.review import ReviewSettings
from workbench.settings.review_files import DEFAULT_QUESTIONS, read_review_files

CHECKLIST = {
    "checklist.yaml": "questions:\n- {id: reader, text: 'Who reads it?', type: choice, choices: [us, all]}\n",
    "checklist.toml": '[[questions]]\nid = "reader"\ntext = "Who?"\ntype = "choice"\nchoices = ["us", "all"]\n',
}


def parsed(folder: Path, text: str) -> Settings:
    return parse_settings(text, file=folder / "workbench.toml", environ={"WORKBENCH_HOME": str(folder)})


def problems(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parsed(folder, text)
    return str(caught.value)


def test_without_a_section_public_data_need_one_person_and_personal_data_two(tmp_path: Path) -> None:
    review = parsed(tmp_path, "").review
    assert {name: (one.approvals, "third_party" in one.trust) for name, one in review.data_classes.items()} == {
        "public": (1, True), "internal": (1, False), "personal": (2, False),
    }  # fmt: skip
    files = read_review_files(review, folder=tmp_path)
    assert files.risk_text is None
    assert set(review.data_classes).issuperset(name for each in files.questions for name in each.data_classes)
    assert files.questions == DEFAULT_QUESTIONS


@pytest.mark.parametrize("name", CHECKLIST)
def test_a_checklist_may_be_yaml_or_toml(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(CHECKLIST[name])
    (tmp_path / "risks.md").write_text("Be careful.")
    settings = parsed(tmp_path, f'[review]\nchecklist = "{name}"\nrisk_text = "risks.md"\n')
    files = read_review_files(settings.review, folder=settings.folder)
    assert [(question.id, question.choices) for question in files.questions] == [("reader", ["us", "all"])]
    assert files.risk_text == "Be careful."


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("questions:\n- {id: 'A b', text: '', sort: x}\n- {id: ok, text: t, type: date}\n")
    told = problems(
        tmp_path,
        '[review]\nchecklist = "c.yaml"\nrisk_text = "gone.md"\n'
        '[review.data_classes.secret]\nescalation = "board"\n[[models]]\nname = "x"\n',
    )
    for expected in (
        "review.checklist.questions[0].id", "review.checklist.questions[0].text", "review.checklist.questions[0].sort",
        "expected one of id, text, type", "review.checklist.questions[1].type: in c.yaml: found 'date'",
        "review.risk_text: file", "gone.md can't be read",
        "models[0].deployments: missing", "no group named 'board'; known: none",
    ):  # fmt: skip
        assert expected in told, told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("questions: [{id: a, text: t}, {id: a, text: t}]", "'a' stands twice"),
        ("questions: [{id: a, text: t, choices: [x]}]", "expected some for type 'choice'"),
        ("questions: [{id: a, text: t, type: choice}]", "expected some for type 'choice'"),
        ("questions: [{id: a, text: t, data_classes: [top]}]", "no data class named 'top'"),
        ("questions: []", "at least one entry"),
        ("- just a list", "expected a table"),
        ("questions: {", "is not YAML"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1") * 3, "expected a table"),
    ],
)
def test_a_checklist_that_does_not_fit_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert told in problems(tmp_path, '[review]\nchecklist = "c.yaml"\n')


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("questions: []")
    assert "named neither .yaml" in problems(tmp_path, '[review]\nchecklist = "c.txt"\n')
    (tmp_path / "risks.md").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in problems(tmp_path, '[review]\nrisk_text = "risks.md"\n')
    (tmp_path / "risks.md").write_text(" \n")
    assert "is empty" in problems(tmp_path, '[review]\nrisk_text = "risks.md"\n')
    (tmp_path / "risks.md").write_text("x" * (1024 * 1024 + 1))
    assert "is over" in problems(tmp_path, '[review]\nrisk_text = "risks.md"\n')


def test_a_group_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = problems(tmp_path, '[review.data_classes.secret]\nescalation = "board"\n[review.groups.other]\n')
    assert "review.data_classes.secret.escalation: no group named 'board'; known: 'other'" in told


def test_names_and_versions_are_told_as_they_should_be(tmp_path: Path) -> None:
    told = problems(tmp_path, '[review]\nrisk_version = "one two"\n[review.groups.The_Board]\n')
    assert "review.risk_version: found 'one two'; expected letters, digits, '.', '_' and '-'" in told
    assert "review.groups.The_Board.[key]: found 'The_Board'; expected small letters, digits and '-'" in told


def test_a_template_keeps_what_it_does_not_say(tmp_path: Path) -> None:
    review = parsed(tmp_path, "[review.templates.batch.limits]\nconcurrent = 4\n").review
    assert (review.templates.batch.limits.concurrent, review.templates.batch.limits.requests_per_minute) == (4, 600)
    assert review.templates.online == ReviewSettings().templates.online
