"""``hookpoint kafka``: a broker for as long as it is wanted, or one line that says why not."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from brokers import an_apache_kafka
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from workers import wait_until

from hookpoint.kafka_jars import KAFKA_JAR, KAFKA_VERSION

HOOKPOINT = str(Path(sys.executable).with_name("hookpoint"))
ENDED_WITHIN_S = 60

# The first use may have to download it.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def hookpoint_kafka(*arguments, **variables):
    return subprocess.run(
        [HOOKPOINT, "kafka", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_runs_until_ctrl_c_and_tells_where_the_broker_is(tmp_path):
    an_apache_kafka()
    with subprocess.Popen(
        [HOOKPOINT, "kafka", "--folder", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        told = [process.stdout.readline() for _ in range(7)]
        address = re.fullmatch(r"Kafka  (127\.0\.0\.1:\d+)  \(Apache .*1 node\)\n", told[0])[1]
        assert f"export HOOKPOINT_KAFKA_BOOTSTRAP={address}\n" in told
        log_file = Path(told[1].split()[1])
        assert log_file.is_relative_to(tmp_path)
        with KafkaAdminClient(bootstrap_servers=address) as admin:
            assert admin.list_topics() == []
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDED_WITHIN_S) == 0
    assert "Kafka Server started" in log_file.read_text()


def test_a_folder_serves_one_at_a_time_and_each_on_the_same_port(tmp_path):
    an_apache_kafka()
    command = [HOOKPOINT, "kafka", "--folder", str(tmp_path)]
    addresses = set()
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            addresses.add(address := process.stdout.readline().split()[1])
            second = hookpoint_kafka("--folder", str(tmp_path))
            folder = tmp_path / "node-1-of-1"
            said = f"{folder} is in use: process {process.pid} runs Kafka there\n"
            assert (second.returncode, second.stderr) == (1, said)
            with KafkaAdminClient(bootstrap_servers=address) as admin:
                assert admin.list_topics() == []
            process.send_signal(signal.SIGINT)
            assert process.wait(ENDED_WITHIN_S) == 0
    assert len(addresses) == 1


def test_a_command_finds_the_broker_in_its_environment_and_passes_its_exit_code_on():
    an_apache_kafka()
    script = (
        "import os; from kafka.admin import KafkaAdminClient as Admin;"
        "here = os.environ['HOOKPOINT_KAFKA_BOOTSTRAP'];"
        "assert here == os.environ['HOOKPOINT_TEST_KAFKA_BOOTSTRAP'];"
        "print(here, len(Admin(bootstrap_servers=here).describe_cluster()['brokers']));"
        "raise SystemExit(7)"
    )
    done = hookpoint_kafka("--", sys.executable, "-c", script)
    assert done.returncode == 7, done.stderr
    address, brokers = done.stdout.split()
    assert brokers == "1"
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=500)


def test_a_command_that_is_not_there_ends_with_127_before_anything_starts():
    done = hookpoint_kafka("--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "no-such-command: command not found\n")


def test_a_command_hears_of_sigterm_and_the_broker_ends_after_it():
    an_apache_kafka()
    script = (
        "import os, signal, sys; from kafka.admin import KafkaAdminClient as Admin;"
        # Blocked and waited for: one that comes between two lines is not lost.
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM});"
        "print('ready', flush=True); signal.sigwait({signal.SIGTERM});"
        "raise SystemExit(len(Admin(bootstrap_servers=os.environ['HOOKPOINT_KAFKA_BOOTSTRAP'])"
        ".describe_cluster()['brokers']) + 40)"
    )
    with subprocess.Popen(
        [HOOKPOINT, "kafka", "--", sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        nodes = [it.pid for it in psutil.Process(process.pid).children() if it.name() == "java"]
        assert len(nodes) == 1
        process.terminate()
        assert process.wait(ENDED_WITHIN_S) == 41
    assert not is_alive(nodes[0])


def below(pid, words):
    """Processes that this one has started, and whose command line has these words."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if words in child.cmdline():
                found.append(child.pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["kafka.tools.StorageTool", "kafka.Kafka"])
def test_a_start_that_is_broken_off_leaves_no_process(number, phase, tmp_path):
    an_apache_kafka()
    with subprocess.Popen([HOOKPOINT, "kafka", "--nodes", "3", "--folder", tmp_path]) as process:
        wait_until(phase, lambda: below(process.pid, phase))
        process.send_signal(number)
        assert process.wait(ENDED_WITHIN_S) != 0
    lines = [it.info["cmdline"] or [] for it in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if any(str(tmp_path) in word for word in line)]


def test_two_nodes_are_refused():
    assert "on 1 or 3 nodes, not on 2" in " ".join(hookpoint_kafka("--nodes", "2").stderr.split())


# -- where it cannot be had ------------------------------------------------------------------------
@pytest.fixture
def bare(tmp_path):
    """A machine without Java, without Maven and without a cache; gives its folder of programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    return programs


def refused(programs, *arguments, **variables):
    """The one line with which both the command and its check refuse."""
    own = {"PATH": str(programs), "JAVA_HOME": "", "XDG_CACHE_HOME": str(programs.parent / "cache")}
    check = hookpoint_kafka("--check", **own, **variables)
    run = hookpoint_kafka(*arguments, **own, **variables)
    assert (check.returncode, run.returncode) == (1, 1)
    assert check.stdout == run.stderr
    assert check.stdout.count("\n") == 1
    return check.stdout.strip()


def java_of_version(programs, version):
    script = programs / "java"
    script.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    script.chmod(0o755)
    return script


def test_without_java_one_line_says_so(bare):
    assert refused(bare) == "no Apache Kafka: it needs Java 17 or newer, and none is on PATH"


@pytest.mark.parametrize(("version", "name"), [("11.0.2", "Java 11"), ("1.8.0_392", "Java 8")])
def test_a_java_that_is_too_old_is_named(bare, version, name):
    script = java_of_version(bare, version)
    assert refused(bare).endswith(f"Java 17 or newer, and {script} is {name}")


def test_without_maven_one_line_says_so(bare):
    java_of_version(bare, "17.0.15")
    told = refused(bare, "--", sys.executable)
    assert "no mvn is on PATH" in told
    assert "HOOKPOINT_KAFKA_JARS" in told


def test_a_folder_of_jars_that_has_none_is_named(bare):
    java_of_version(bare, "21")
    told = refused(bare, HOOKPOINT_KAFKA_JARS=str(bare))
    assert told == f"no Apache Kafka: HOOKPOINT_KAFKA_JARS={bare} has no {KAFKA_JAR}"


def test_a_download_that_fails_is_one_line_and_leaves_nothing_half_done(bare):
    java_of_version(bare, "17")
    script = bare / "mvn"
    script.write_text("#!/bin/sh\necho '[ERROR] the network is away'\necho more\nexit 1\n")
    script.chmod(0o755)
    cache = bare.parent / "cache"
    done = hookpoint_kafka(PATH=f"{bare}:/bin", JAVA_HOME="", XDG_CACHE_HOME=str(cache))
    assert done.returncode == 1
    announced, told = done.stderr.splitlines()
    assert announced.startswith(f"Downloading Apache Kafka {KAFKA_VERSION}")
    assert told == "no Apache Kafka: Maven could not download it: [ERROR] the network is away"
    assert list((cache / "hookpoint").iterdir()) == []
