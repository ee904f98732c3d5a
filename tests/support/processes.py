"""Functions of tests, called in processes of their own."""

import contextlib
import importlib.util
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]

PROGRAM = """
import importlib, pickle, sys
paths = sys.argv[1:]
with open(paths[0], "rb") as file:
    module, name, arguments = pickle.load(file)
result = getattr(importlib.import_module(module), name)(*arguments)
with open(paths[1], "wb") as file:
    pickle.dump(result, file)
"""


class Call(NamedTuple):
    """A function of a module, its arguments, and what its process has in its environment."""

    function: Callable
    arguments: tuple = ()
    environment: dict[str, str] | None = None

    def start(self, folder):
        """A process that finds the call in a folder, and leaves the result there."""
        folder.mkdir(parents=True)
        paths = [folder / "call", folder / "result"]
        call = self.function.__module__, self.function.__name__, self.arguments
        paths[0].write_bytes(pickle.dumps(call))
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, paths)],
            env=os.environ | {"PYTHONPATH": str(TESTS)} | (self.environment or {}),
            stderr=subprocess.PIPE,
            text=True,
        )


def in_processes(folder, *calls):
    """What calls give, each in a process of its own, all at the same time."""
    folders = [folder / str(i) for i in range(len(calls))]
    with contextlib.ExitStack() as stack:  # Which waits for each process, and closes its pipe.
        processes = []
        for call, own in zip(calls, folders, strict=True):
            processes.append(stack.enter_context(call.start(own)))
            stack.callback(processes[-1].kill)
        errors = [process.communicate(timeout=300)[1][-3000:] for process in processes]
    assert not any(process.returncode for process in processes), "\n".join(errors)
    return [pickle.loads((own / "result").read_bytes()) for own in folders]


def free_port():
    """A port that nothing listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_installed(module):
    """Whether a module can be imported, without the seconds that importing it takes."""
    return importlib.util.find_spec(module) is not None
