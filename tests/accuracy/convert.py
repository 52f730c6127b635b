"""Float models to int8: by the program, and by onnxruntime's own quantizer."""

import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))

# A process inherits the peak of the one it was forked from: let that be small.
LAUNCHER = """
import os, sys
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
os.write(int(sys.argv[1]), b"%d" % (usage.ru_maxrss * 1024))
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


class Failed(Exception):
    """A conversion that came to nothing; says why."""


def measured(command):
    """Peak resident bytes of a process; raises Failed with its last line."""
    back, to = os.pipe()
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(to)]
    process = subprocess.run(launcher + command, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             errors="replace", pass_fds=[to])
    os.close(to)
    with os.fdopen(back) as pipe:
        peak = int(pipe.read() or 0)
    if process.returncode != 0:
        lines = process.stdout.strip().splitlines() or ["no reason given"]
        errors = [x for x in lines if x.startswith("error:")] or lines[-1:]
        raise Failed(f"status {process.returncode}: {errors[0]}")
    return peak


def write_samples(folder, feeds):
    """As .npz files; how many."""
    os.makedirs(folder)
    n = 0
    for n, feed in enumerate(feeds, 1):
        np.savez(os.path.join(folder, f"{n:05}.npz"), **feed)
    return n


def by_program(program, model, out, options):
    return measured([program, "quantize", model, "-o", out, *options])


def by_onnxruntime(model, out, folder, method):
    return measured([sys.executable, os.path.join(HERE, "rival.py"), model,
                     folder, out, method])
