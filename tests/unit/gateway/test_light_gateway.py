"""The gateway's application is built without what only some calls need."""

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys, asyncio
from workbench.settings import load_settings
from workbench.gateway.app import create_app
app = create_app(load_settings())
async def begin():
    said = asyncio.Queue()
    heard = asyncio.Queue()
    await heard.put({"type": "lifespan.startup"})
    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, heard.get, said.put))
    assert (await said.get())["type"] == "lifespan.startup.complete"
    await heard.put({"type": "lifespan.shutdown"})
    await task
asyncio.run(begin())
print(json.dumps([sorted({name.split(".")[0] for name in sys.modules}), len(sys.modules)]))
"""


def test_an_open_gateway_has_loaded_neither_litellm_nor_models(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    loaded, modules = json.loads(done.stdout)
    heavy = {
        "litellm",
        "botocore",
        "google",
        "azure",
        "PIL",
        "torch",
        "openai",
        "mlflow",
        "pandas",
        "numpy",
        "httpx",
        "xllamacpp",
        "sentence_transformers",
    }
    assert heavy.isdisjoint(loaded)
    # About 1.4 to 2.1 s of CPU, as busy as the machine is: what is counted is what costs them.
    assert modules < 960, "modules until the gateway is open"
