"""A py-spy that is not there, that may not look or that has nobody to look at says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hookpoint.bench.profile_spy import OPEN_PROGRAM, MayNotLook, _refusal, check_leave, running_spy
from hookpoint.processes import StackError


def test_without_py_spy_it_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(StackError, match="pip install 'hookpoint\\[bench\\]'"):
        check_leave()


def test_without_leave_it_says_what_the_system_must_allow():
    said = "Permission Denied: Try running again with elevated permissions by going 'sudo ...'\n"
    refusal = _refusal(said)
    assert isinstance(refusal, MayNotLook)
    assert "ptrace_scope" in str(refusal)
    assert "SYS_PTRACE" in str(refusal)


def test_another_trouble_is_not_taken_for_a_lack_of_leave():
    refusal = _refusal("Error: Failed to find python version from target process\n")
    assert not isinstance(refusal, MayNotLook)
    assert "python version" in str(refusal)


def test_a_process_that_is_not_there_is_told_of(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with running_spy(gone.pid, tmp_path) as spy, pytest.raises(StackError, match="py-spy"):
        spy.await_begin()


def test_a_spy_that_ended_by_itself_is_noticed(tmp_path):
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as looked_at,
        running_spy(looked_at.pid, tmp_path) as spy,
    ):
        try:
            spy.await_begin()
        except MayNotLook as why:
            pytest.skip(str(why))
        finally:
            looked_at.kill()
        spy._process.wait(20)
        with pytest.raises(StackError, match="py-spy"):
            spy.check()


def test_a_process_that_may_be_looked_into_is_the_command(tmp_path):
    done = subprocess.run([*OPEN_PROGRAM, "worker", "--help"], cwd=tmp_path, check=False)
    assert done.returncode == 0
