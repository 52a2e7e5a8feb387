"""DataFrames have `.wb` whichever of the two is imported first, and `import workbench` loads no pandas."""

import subprocess
import sys

import pytest

SHOW = "; print(type(pandas.DataFrame({'a': [1]}).wb).__name__)"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "imports",
    [
        "import workbench, pandas",
        "import pandas, workbench",
        "import workbench, importlib.util; assert importlib.util.find_spec('pandas'); import pandas",
        "import pandas.api.extensions, workbench",
    ],
)
def test_a_dataframe_has_wb_whatever_was_imported_first(imports: str) -> None:
    assert run(imports + SHOW) == "FrameAccessor"


def test_nothing_is_left_among_the_finders_once_pandas_is_there() -> None:
    names = "[type(finder).__module__ for finder in sys.meta_path]"
    assert "workbench" not in run(f"import sys, workbench, pandas; print({names})")


def test_another_wb_accessor_is_left_alone() -> None:
    theirs = "pandas.api.extensions.register_dataframe_accessor('wb')(lambda frame: 'theirs')"
    assert run(f"import pandas; {theirs}; import workbench; print(pandas.DataFrame().wb)") == "theirs"
