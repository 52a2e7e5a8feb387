import subprocess
import sys

HEAVY = ("torch", "faiss", "pandas", "mlflow", "litellm", "sentence_transformers", "openai")


def test_importing_the_room_loads_nothing_heavy():
    code = f"import sys, workbench.rag; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
