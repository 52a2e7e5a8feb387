import pytest

from workbench.prompts.files import path_of
from workbench.prompts.folder import tree, wanted


def test_a_folder_holds_what_is_below_it_and_not_what_begins_alike():
    found = ["support", "support.summary", "support.mail.reply", "supporters.list"]
    assert [name for name in found if wanted(name, "support", None)] == ["support.summary", "support.mail.reply"]
    assert [name for name in found if wanted(name, "support.", "*.reply")] == ["support.mail.reply"]


def test_a_tree_names_each_folder_once():
    assert tree(["b", "a.x", "a.c.y", "a.c.x", "a"]) == ["a", "a/", "  c/", "    x", "    y", "  x", "b"]


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "a.toml"), ("a.b.c", "a/b/c.toml"), ("a..b", "a/%/b.toml"), ("..", "%/%/%.toml"), ("a.toml", "a/toml.toml")],
)
def test_each_name_has_one_path_that_stays_in_the_folder(name, path):
    assert path_of(name).as_posix() == path
