"""Makes .venv with what the locks pin and this clone itself, on a machine that has only a Python. Called by the Makefile.

    python3 requirements/set_up.py .venv run.lock

What was broken off, made at another place or by a Python that is gone is begun anew: half of an installation looks
whole to pip. Two at once wait for each other. Runs on any Python 3, to be able to say which it should be.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(FOLDER)
#: In the environment: stands there while it is being made.
UNFINISHED = ".unfinished"
#: In the environment: the folder that its scripts and its link to the clone point at.
PLACE = ".place"
#: What each lock's environment is good for: the Makefile's targets.
DONE = {"run.lock": (".run",), "dev.lock": (".run", ".dev")}


def main(venv, lock):
    """Make it; the exit code."""
    if sys.version_info < (3, 11):
        print("gridiface needs Python 3.11 or newer; set PYTHON=/path/to/python3.11", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    asked = time.time()
    place = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("%s is being made by somebody else already; waiting" % venv)
        fcntl.flock(place, fcntl.LOCK_EX)
    try:
        if all(made_since(os.path.join(venv, name), asked) for name in DONE[lock]):
            return 0
        make(venv, lock)
    except KeyboardInterrupt:
        print("\nstopped; %s is not finished, the next `make` begins it anew" % venv, file=sys.stderr)
        return 130
    except subprocess.CalledProcessError as problem:
        hint = "the first time it needs a package index (PIP_INDEX_URL, HTTPS_PROXY), later starts need no network"
        print("%s could not be made, see above; %s" % (venv, hint), file=sys.stderr)
        return problem.returncode if problem.returncode > 0 else 1
    except OSError as problem:
        print("%s could not be made: %s" % (venv, problem), file=sys.stderr)
        return 1
    finally:
        os.close(place)
    return 0


def stop(number, frame):
    """A signal that ends it as Ctrl-C does.

    Raises:
        KeyboardInterrupt: always.
    """
    raise KeyboardInterrupt


def made_since(stamp, when):
    """Whether somebody else has finished it meanwhile."""
    try:
        return os.stat(stamp).st_mtime >= when
    except OSError:
        return False


def make(venv, lock):
    """Make the environment, or bring it up to date.

    Raises:
        subprocess.CalledProcessError: a step failed, and has said why.
        OSError: the folder cannot be written.
    """
    python = os.path.join(venv, "bin", "python")
    if not is_whole(venv, python):
        print("making %s with Python %d.%d.%d" % ((venv,) + tuple(sys.version_info[:3])), flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        os.makedirs(venv)
        write(os.path.join(venv, UNFINISHED), "")
        step(sys.executable, "-m", "venv", venv)
    write(os.path.join(venv, UNFINISHED), "")
    write(os.path.join(venv, PLACE), ROOT)
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    print("installing what %s pins ..." % os.path.join("requirements", lock), flush=True)
    step(*pip, "--require-hashes", "-r", os.path.join(FOLDER, lock))
    if shutil.which("npm") is None:
        step(*pip, "--require-hashes", "-r", os.path.join(FOLDER, "node.lock"))
    step(*pip, "--no-deps", "--no-build-isolation", "-e", ROOT)
    step(python, "-m", "compileall", "-q", os.path.join(ROOT, "src"), os.path.join(ROOT, "southbound"))
    os.unlink(os.path.join(venv, UNFINISHED))
    for name in DONE[lock]:
        write(os.path.join(venv, name), "")


def is_whole(venv, python):
    """Whether there is an environment that was finished, here, and whose Python runs."""
    if os.path.exists(os.path.join(venv, UNFINISHED)) or not os.access(python, os.X_OK):
        return False
    with contextlib.suppress(OSError), open(os.path.join(venv, PLACE), encoding="utf-8") as told:
        if told.read() != ROOT:
            return False
    try:
        return subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0
    except OSError:
        return False


def step(*words):
    """Run one program; Ctrl-C is heard here and ends it too, without its traceback.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    # A session of its own keeps the terminal's Ctrl-C from it.
    process = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    try:
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code != 0:
        raise subprocess.CalledProcessError(code, words)


def write(path, text):
    """A small file.

    Raises:
        OSError: not writable.
    """
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
