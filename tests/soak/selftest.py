# SPDX-License-Identifier: MIT
"""Shows that the soak can fail: judges runs that are made up, without starting a server."""

import importlib.machinery
import importlib.util
import os
import sys
import types

sys.dont_write_bytecode = True
PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
loader = importlib.machinery.SourceFileLoader("soak_run", PATH)
soak_run = importlib.util.module_from_spec(importlib.util.spec_from_loader("soak_run", loader))
loader.exec_module(soak_run)

MIB = 1 << 20
N_SAMPLES = 720
failed = 0


def made_up(size_at, n_collections=100, complaints=(), error=None):
    """A run of an hour whose memory at the share x of its time is size_at(x)."""
    server = types.SimpleNamespace(complaints=lambda: list(complaints),
                                   collections=lambda: n_collections)
    soak = soak_run.Soak(server, 0.1)
    soak.samples = [(5 * i, size_at(i / N_SAMPLES)) for i in range(N_SAMPLES)]
    soak.error = error
    return soak_run.faults_of(soak)


def expect(what, faults, text):
    global failed
    right = any(text in fault for fault in faults) if text else not faults
    print(f"{'as expected' if right else 'NOT AS EXPECTED'}, {what}: {faults}")
    failed |= not right


expect("flat", made_up(lambda x: 50 * MIB), None)
expect("warm-up", made_up(lambda x: 50 * MIB * min(1, 0.2 + 3 * x)), None)
expect("saw-tooth", made_up(lambda x: (20 + 400 * x % 40) * MIB), None)
expect("slow growth", made_up(lambda x: (50 + 20 * x) * MIB), "its memory grew")
expect("growth of a small one", made_up(lambda x: (5 + 9 * x) * MIB), "its memory grew")
expect("a step", made_up(lambda x: (50 + 10 * (x > 0.7)) * MIB), "its memory grew")
expect("no collections", made_up(lambda x: 50 * MIB, 0), "no collections")
expect("a complaint", made_up(lambda x: 50 * MIB, 9, ["log: crash"]), "log: crash")
expect("an error", made_up(lambda x: 50 * MIB, 9, error="wrong answer"), "wrong answer")
sys.exit(failed)
