"""`import glomspike`: light, without effects on the process, and the same numbers as the command."""

import gc
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import HEAVY

import glomspike
from glomspike.batch.local import _process
from glomspike.batch.process import ARENAS, ENVIRONMENT, GARBAGE_THRESHOLD
from glomspike.errors import DeviceError, SlideError, WeightsError

ROOT = Path(__file__).parents[1]


def output_of(code, **environment):
    command = [sys.executable, "-c", code]
    clean = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=clean, check=True).stdout


STATE = "dict(os.environ), gc.get_threshold(), gc.isenabled(), threading.active_count(), sys.path[:]"


def test_importing_it_changes_nothing_and_loads_nothing_heavy():
    output_of(
        "import gc, os, sys, threading\n"
        f"before = {STATE}\n"
        "import glomspike\n"
        f"assert before == ({STATE})\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), sys.modules.keys()\n"
    )


def test_everything_it_offers_is_there_and_nothing_else():
    assert set(glomspike.__all__) <= set(dir(glomspike))
    assert all(getattr(glomspike, name) is not None for name in glomspike.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'analyze'"):
        _ = glomspike.analyze
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)", page, re.MULTILINE)) == set(glomspike.__all__)
    assert (ROOT / "glomspike" / "py.typed").is_file()


def test_the_command_and_its_workers_set_up_their_process_unless_the_user_has():
    code = (
        "import gc, os\n"
        "from glomspike import __main__ as program\n"
        f"names = {list(ENVIRONMENT)!r}\n"
        "program.main = lambda: print(gc.get_threshold()[0], *(os.environ[name] for name in names))\n"
        "program.command()\n"
    )
    assert output_of(code).split() == [str(GARBAGE_THRESHOLD), *ENVIRONMENT.values()]
    assert output_of(code, OPENCV_FOR_THREADS_NUM="2").split()[-1] == "2"
    with _process(1) as worker:
        assert worker.schedule(gc.get_threshold).result()[0] == GARBAGE_THRESHOLD


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_of_the_command_share_few_arenas_of_memory():
    code = (
        "import ctypes, threading\n"
        "from glomspike.batch.process import prepare_process\n"
        "prepare_process()\n"
        "libc, barrier = ctypes.CDLL(None), threading.Barrier(12)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "def hold():\n"
        "    libc.malloc(5000)\n"
        "    barrier.wait()\n"
        "threads = [threading.Thread(target=hold) for _ in range(12)]\n"
        "[one.start() for one in threads]\n"
        "[one.join() for one in threads]\n"
        "libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, 'stdout'))\n"
        "libc.fflush(None)\n"
    )
    assert output_of(code).count("<heap nr=") <= ARENAS
    assert output_of(code, MALLOC_ARENA_MAX="8").count("<heap nr=") > ARENAS  # the user's word stays


@pytest.mark.filterwarnings("ignore:computing on the CPU")
def test_bad_input_raises_errors_of_glomspike(tmp_path):
    with pytest.raises(SlideError, match=r"none\.svs: does not exist"):
        glomspike.open_slide(str(tmp_path / "none.svs"))
    with pytest.raises(WeightsError):
        glomspike.load_models(device="auto", classifier=str(tmp_path))
    with pytest.raises(DeviceError):
        glomspike.load_models(device="cuda:99")
