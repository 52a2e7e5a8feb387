"""A notebook's JSON: keys go from wherever a kernel, a widget or a person put them; everything else is as it was."""

import copy
import json

import nbformat
import pytest
from nbformat import v4

from workbench.wire.key_format import new_secret
from workbench_jupyter.scrubbing.notebooks import Removed, scrub_notebook
from workbench_jupyter.scrubbing.texts import Scrubber

KEY = new_secret("wbx-")
SCRUBBER = Scrubber()
RED = f"\x1b[0;31mAuthenticationError\x1b[0m: {KEY[:12]}\x1b[0;32m{KEY[12:]}\x1b[0m"
WIDGETS = "application/vnd.jupyter.widget-state+json"
OUTPUTS = {
    "stream": v4.new_output("stream", text=f"a\n{KEY}\nb\n"),
    "plain text": v4.new_output("execute_result", {"text/plain": f"'{KEY}'"}),
    "html": v4.new_output("display_data", {"text/html": f"<td title='{KEY}'>{KEY[:40]}...</td>"}),
    "json": v4.new_output("display_data", {"application/json": {"deep": [1, {"er": [None, KEY, {KEY: 1.5}]}]}}),
    "lines": v4.new_output("display_data", {"text/plain": ["a\n", f"{KEY}\n", "b"]}),
    "divided": v4.new_output("display_data", {"text/plain": [KEY[:20], KEY[20:]]}),
    "traceback": v4.new_output("error", ename="E", evalue=f"'{KEY}'", traceback=["-" * 75, RED, f"key = {KEY}"]),
    "widget view": v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": KEY}}),
    "metadata": v4.new_output("display_data", {"text/plain": "x"}, metadata={"image/png": {"alt": KEY}}),
}


def notebook(*cells, **metadata):
    return json.loads(nbformat.writes(v4.new_notebook(cells=list(cells), metadata=metadata)))


def scrubbed(content):
    """Return what is left, after the check that it holds no key and is a valid notebook."""
    removed = scrub_notebook(content, SCRUBBER)
    assert not [KEY[start : start + 16] for start in range(38) if KEY[start : start + 16] in json.dumps(content)]
    nbformat.validate(nbformat.from_dict(content))
    return content, removed


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_key_goes_from_an_output(kind):
    content, removed = scrubbed(notebook(v4.new_code_cell("ask()", outputs=[OUTPUTS[kind]])))
    assert removed.texts
    assert not removed.sources
    assert "[removed]" in json.dumps(content["cells"][0]["outputs"])
    assert content["cells"][0]["source"] == ["ask()"]


def test_a_key_goes_from_attachments_and_metadata_and_the_state_of_widgets():
    picture = v4.new_markdown_cell("![x](attachment:x.txt)", attachments={"x.txt": {"text/plain": KEY}})
    cell = v4.new_code_cell("x", metadata={"tags": [KEY, "kept"]})
    state = {"state": {"m1": {"model_name": "TextModel", "state": {"value": KEY, "layout": "IPY_MODEL_m2"}}}}
    content, removed = scrubbed(notebook(picture, cell, widgets={WIDGETS: state}, note=f"by {KEY}"))
    assert removed.texts == 4
    assert content["cells"][1]["metadata"]["tags"] == ["wbx-[removed]", "kept"]
    kept = content["metadata"]["widgets"][WIDGETS]["state"]["m1"]["state"]
    assert kept == {"value": "wbx-[removed]", "layout": "IPY_MODEL_m2"}


@pytest.mark.parametrize("make", [v4.new_code_cell, v4.new_markdown_cell, v4.new_raw_cell])
def test_a_whole_key_in_a_source_becomes_a_mark_and_no_other_letter_changes(make):
    written = f"client = make(\n    key='{KEY}',  # mine\n)\n"
    content, removed = scrubbed(notebook(make(written), make("other")))
    assert removed == Removed(texts=0, sources=1)
    assert "".join(content["cells"][0]["source"]) == written.replace(KEY, "wbx-[removed]")


def test_what_resembles_a_key_stays_in_a_source_and_goes_from_an_output():
    almost = "wbx-" + "0" * 49
    cell = v4.new_code_cell(f"print('{almost}')", outputs=[v4.new_output("stream", text=almost)])
    content, _ = scrubbed(notebook(cell))
    assert content["cells"][0]["source"] == [f"print('{almost}')"]
    assert content["cells"][0]["outputs"][0]["text"] == ["wbx-[removed]"]


def test_a_notebook_without_keys_stays_as_it_is():
    plain = {"plain": [1, 2.5, None, True, "wb", "wbx-", {"x": ["\x1b[1mbold\x1b[0m"]}]}
    output = v4.new_output("display_data", {"application/json": plain, "image/png": "d2J4Li4u" * 40})
    content = notebook(v4.new_code_cell("wbx = 1", outputs=[output]))
    before = copy.deepcopy(content)
    assert not scrub_notebook(content, SCRUBBER)
    assert content == before


def test_only_what_held_a_key_is_changed():
    content = notebook(
        *(v4.new_code_cell(f"cell {n}", outputs=[OUTPUTS["stream"]] if n == 1 else []) for n in range(3))
    )
    before = copy.deepcopy(content)
    scrubbed(content)
    assert (content["cells"][0], content["cells"][2]) == (before["cells"][0], before["cells"][2])
    assert content["cells"][1]["outputs"][0]["text"] == ["a\n", "wbx-[removed]\n", "b\n"]


@pytest.mark.parametrize("content", [{}, {"cells": None}, {"cells": [None, 3, {"source": None}, {"source": [1, KEY]}]}])
def test_what_is_no_proper_notebook_raises_nothing(content):
    scrub_notebook(content, SCRUBBER)
    assert KEY not in json.dumps(content)


def test_a_deep_tree_is_no_trouble():
    tree = [KEY]
    for _ in range(5000):
        tree = [tree]
    content = {"cells": [], "metadata": {"deep": tree}}
    assert scrub_notebook(content, SCRUBBER).texts == 1
