"""A page of the documentation → its examples, run one after the other in one folder, with a server where they need one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.ports import free_port
from tests.postgres import postgres
from tests.store.foreign.mltraced import Mltraced
from watchglass.capture import recorder
from watchglass.reading import create_store

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"(<!-- not run: .+? -->\n+)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SERVE = re.compile(r"^watchglass serve.*$", re.MULTILINE)
FILES = {
    "raw.csv": "b,2\na,1\n",
    "train.csv": "amount,label\n1,0\n",
    "events.jsonl": '{"kind": "metric", "name": "queue_depth", "value": 3}\n',
}
PATIENCE = 60


def pages():
    return sorted(path for path in DOCS.rglob("*.md") if "reference" not in path.parts)


def examples(text):
    """The blocks that are to run: (language, source); a block may be marked `<!-- not run: reason -->`."""
    return [(kind, source) for marked, kind, source in _BLOCK.findall(text) if kind in ("python", "sh") and not marked]


class Page:
    """A page as a reader works through it, in a folder of its own."""

    def __init__(self, path, folder):
        self.name = str(path.relative_to(ROOT))
        self.folder = folder
        self.port = free_port()
        self.text = path.read_text().replace("8000", str(self.port))
        self.names = {}
        self.servers = []
        self.open = ExitStack()
        for name, text in FILES.items():
            (folder / name).write_text(text)

    def run(self):
        if "postgresql://" in self.text:
            self.database()
        create_store(self.folder / "watchglass-data").close()
        if "$WATCHGLASS" in self.text:
            self.serve("watchglass serve --store watchglass-data")
        for kind, source in examples(self.text):
            if kind == "python":
                exec(compile(source, self.name, "exec"), self.names)
                recorder.close()  # the reader's script has ended
            else:
                self.shell(source)

    def database(self):
        """Start a PostgreSQL in the place of the one that the page names, in which mltrace may have written."""
        url = self.open.enter_context(postgres())
        old = Mltraced(url)
        old.run("load", [], ["rows"])
        old.engine.dispose()
        self.text = re.sub(r"postgresql://\S+", url, self.text)

    def shell(self, source):
        for command in _SERVE.findall(source):
            self.serve(command)
        rest = _SERVE.sub("", source)
        if rest.strip():
            said = subprocess.run(
                ["bash", "-eu", "-c", rest],
                check=False,
                cwd=self.folder,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert said.returncode == 0, f"{self.name}: {rest}\n{said.stdout}{said.stderr}"

    def environment(self):
        beside = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": beside, "WATCHGLASS": f"http://127.0.0.1:{self.port}", "NO_COLOR": "1"}

    def serve(self, command):
        """Start a server as the page says, and wait until it answers."""
        words = [*command.split(), *([] if "--port" in command else ["--port", str(self.port)])]
        process = subprocess.Popen(
            words,
            executable=str(Path(sys.executable).with_name("watchglass")),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
        )
        self.servers.append(process)
        until = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/health", timeout=5):
                return
            time.sleep(0.1)
        message = f"{command!r} of {self.name} did not answer"
        raise AssertionError(message)

    def close(self):
        for process in self.servers:
            process.terminate()
        for process in self.servers:
            process.wait(PATIENCE)
        self.open.close()
