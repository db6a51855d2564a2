"""Start the local AWS emulator for `duet up --on local`.

    python launch.py --state DIR --port N [--until-exit-of PID] [--stock]

Owns how the emulator (ministack) runs on this machine:

- it answers on 127.0.0.1 only, with the listeners duet has no use for off;
- all it writes lies under DIR;
- DIR/emulator.lock is held for as long as the process lives, so nobody has to
  trust a process id that may since belong to somebody else;
- DIR/emulator.json says where it is, and which of the changes below are in.

It also takes out waits that say nothing about AWS and would blur a comparison
of two coordination styles, has retriers wait and Express executions run as AWS has
them, and mends what keeps a stack from being updated. Each change replaces a private part of ministack
(pinned in requirements.txt) and first checks that the part is still what it
was written for. If it is not, the emulator runs unchanged in that respect and
says so, in its log and in emulator.json. `--stock` makes none of them.

Must not know: stacks, templates, services, or anything else of duet's.
"""

import argparse
import fcntl
import inspect
import json
import os
import queue
import random
import shutil
import signal
import struct
import sys
import termios
import threading
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
ALREADY_RUNNING = 75  # EX_TEMPFAIL of sysexits.h


class Changed(Exception):
    """A part of ministack is not what a change was written for."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise Changed(what)


def send_answers_at_once() -> None:
    """Runtime API: no Nagle delay between an answer's headers and its body.

    They are two small writes; with Nagle's algorithm the second waits for the
    peer's delayed acknowledgement, about 40 ms for each invocation.
    """
    from http.server import BaseHTTPRequestHandler

    from ministack.core.lambda_runtime import ProvidedWorker

    build = getattr(ProvidedWorker, "_build_handler_class", None)
    expect(callable(build), "ProvidedWorker._build_handler_class is gone")

    def build_without_nagle(self, *args, **kwargs):
        handler = build(self, *args, **kwargs)
        if isinstance(handler, type) and issubclass(handler, BaseHTTPRequestHandler):
            handler.disable_nagle_algorithm = True
        else:
            print("launch: the runtime API handler is not an http.server class; "
                  "Nagle's algorithm stays on", file=sys.stderr)
        return handler

    ProvidedWorker._build_handler_class = build_without_nagle


def collect_logs_promptly() -> None:
    """Invocation logs: stop waiting once the function's pipe is known to be empty.

    As delivered, an invocation that printed nothing waits 50 ms for a first
    line. A function writes its lines before it answers, so they are in the pipe
    by then: it is enough to see the pipe and the queue behind it empty, with
    2 ms for the thread that moves lines from one to the other.
    """
    from ministack.core.lambda_runtime import ProvidedWorker

    drain = getattr(ProvidedWorker, "_drain_stderr_bounded", None)
    expect(callable(drain), "ProvidedWorker._drain_stderr_bounded is gone")
    expect(
        list(inspect.signature(drain).parameters)
        == ["self", "first_line_wait", "idle_confirm", "hard_cap"],
        "ProvidedWorker._drain_stderr_bounded takes other parameters",
    )
    source = inspect.getsource(inspect.getmodule(drain))
    expect("self._stderr_queue = log_queue" in source, "ProvidedWorker._stderr_queue is gone")
    expect("self._proc = subprocess.Popen(" in source, "ProvidedWorker._proc is gone")

    def unread(process) -> bool:
        try:
            answer = fcntl.ioctl(process.stdout.fileno(), termios.FIONREAD, b"\0" * 4)
            return struct.unpack("i", answer)[0] > 0
        except (AttributeError, OSError, ValueError):
            return False  # no process, or its pipe is closed: nothing more can come

    def drain_promptly(self, first_line_wait=0.0, idle_confirm=0.002, hard_cap=0.25):
        lines = []
        started = quiet_since = time.monotonic()
        while True:
            took = False
            while True:
                try:
                    lines.append(self._stderr_queue.get_nowait())
                    took = True
                except queue.Empty:
                    break
            now = time.monotonic()
            if took or unread(self._proc):
                quiet_since = now
            enough = idle_confirm if lines else max(first_line_wait, idle_confirm)
            if now - quiet_since >= enough or now - started >= hard_cap:
                return "\n".join(lines)
            time.sleep(0.0005)

    ProvidedWorker._drain_stderr_bounded = drain_promptly


# How long an idle environment's threads sleep, in seconds: the one that waits for
# an invocation, and the one that listens, for whose end its death waits.
IDLE_SECONDS = 2.0
LISTEN_SECONDS = 0.5


def let_idle_environments_sleep() -> None:
    """Lambda: an environment that waits for an invocation does not poll.

    As delivered two threads of each environment wake ten times a second to see
    whether it is to end. Of some hundred environments, as a crowd of orders leaves
    behind, these take the whole interpreter, and nothing else gets on. An
    invocation wakes its environment at once, as before; only an end is noticed
    later, and by then its process is killed.
    """
    import socketserver

    from ministack.core import lambda_runtime

    source = inspect.getsource(lambda_runtime.ProvidedWorker)
    expect("queue.Queue" in source and "timeout=0.1)" in source,
           "ProvidedWorker waits for invocations differently")
    expect('kwargs={"poll_interval": 0.1}' in source, "ProvidedWorker serves differently")
    expect(lambda_runtime.queue is queue, "lambda_runtime no longer names the queue module")

    class Patient(queue.Queue):
        def get(self, block=True, timeout=None):
            return super().get(block, timeout and max(timeout, IDLE_SECONDS))

    class Queues:
        """The queue module, with queues on which nobody polls."""

        Queue = Patient

        def __getattr__(self, name):
            return getattr(queue, name)

    serve = socketserver.BaseServer.serve_forever

    def serve_patiently(self, poll_interval=0.5):
        serve(self, max(poll_interval, LISTEN_SECONDS))

    lambda_runtime.queue = Queues()
    socketserver.BaseServer.serve_forever = serve_patiently


def start_workflows_at_once() -> None:
    """Step Functions: no fixed 150 ms pause before each execution's first state."""
    from ministack.services import stepfunctions

    run = getattr(stepfunctions, "_run_execution", None)
    expect(inspect.isfunction(run), "stepfunctions._run_execution is gone")
    expect(
        inspect.getsource(run).count("time.sleep(0.15)") == 1,
        "stepfunctions._run_execution no longer pauses for 150 ms",
    )
    expect(
        getattr(stepfunctions, "time", None) is time,
        "stepfunctions no longer names the time module",
    )

    class Clock:
        """The time module, except that `_run_execution` itself does not sleep."""

        def __getattr__(self, name):
            return getattr(time, name)

        @staticmethod
        def sleep(seconds):
            if sys._getframe(1).f_code is not run.__code__:
                time.sleep(seconds)

    stepfunctions.time = Clock()


def wait_as_retriers_say() -> None:
    """Step Functions: a retrier's MaxDelaySeconds and JitterStrategy count.

    As delivered both are ignored, and every wait is the full one of the
    exponential backoff. A retrier is given out with the wait that is due as its
    interval, and no backoff. (TestState, which only tells of a retrier's
    numbers, tells of these.)
    """
    from ministack.services import stepfunctions

    find = getattr(stepfunctions, "_find_matching_retrier", None)
    expect(inspect.isfunction(find), "stepfunctions._find_matching_retrier is gone")
    expect(list(inspect.signature(find).parameters) == ["retriers", "error", "retry_counts"],
           "stepfunctions._find_matching_retrier takes other parameters")
    source = inspect.getsource(stepfunctions)
    expect("MaxDelaySeconds" not in source and "JitterStrategy" not in source,
           "stepfunctions knows MaxDelaySeconds or JitterStrategy by itself")
    expect(source.count("retrier, retrier_idx = _find_matching_retrier(") == 2
           and source.count('interval = retrier.get("IntervalSeconds", 1)') == 3
           and source.count('retrier.get("BackoffRate", 2.0)') == 3,
           "stepfunctions computes the waits between tries differently")

    def find_with_wait(retriers, error, retry_counts):
        retrier, index = find(retriers, error, retry_counts)
        if retrier is None:
            return retrier, index
        tried = retry_counts.get(index, 0)
        wait = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** tried
        wait = min(wait, retrier.get("MaxDelaySeconds", wait))
        if retrier.get("JitterStrategy") == "FULL":
            wait *= random.random()
        return {**retrier, "IntervalSeconds": wait, "BackoffRate": 1.0}, index

    stepfunctions._find_matching_retrier = find_with_wait


def run_express_as_aws_does() -> None:
    """Step Functions: Express executions share names, tell no bus, and log.

    As delivered an Express execution is a Standard one: a second one of the same name
    is refused (or, waited for, takes the first one's place), the bus hears of each end,
    and a machine's log group stays empty. Here the log group gets, when an execution is
    over, what its history says, in the form in which AWS writes it and as far as the
    machine's level goes; input and output are left out. (AWS writes while it runs, and
    may leave something out.) A Standard machine answers nobody who waits.
    """
    import copy
    import contextvars
    import uuid

    from ministack.services import cloudwatch_logs, stepfunctions

    start = getattr(stepfunctions, "_start_execution", None)
    sync = getattr(stepfunctions, "_start_sync_execution", None)
    run = getattr(stepfunctions, "_run_execution", None)
    expect(all(map(inspect.isfunction, (start, sync, run))),
           "stepfunctions._start_execution, _start_sync_execution or _run_execution is gone")
    source = inspect.getsource(start)
    expect('"stateMachineArn": sm_arn,' in source and "args=(_run_execution, exec_arn)" in source,
           "stepfunctions._start_execution starts executions differently")
    expect("_run_execution(exec_arn)" in inspect.getsource(sync),
           "stepfunctions._start_sync_execution runs executions differently")
    expect('execution.get("sync")' in inspect.getsource(stepfunctions._emit_execution_status_event),
           "stepfunctions tells the bus of executions differently")
    for name in ("_create_log_stream", "_put_log_events", "_log_groups"):
        expect(hasattr(cloudwatch_logs, name), f"cloudwatch_logs.{name} is gone")

    def member(of, name):
        """A member, however its first letter is written: templates and calls differ."""
        of = of or {}
        return of.get(name, of.get(name[0].upper() + name[1:]))

    def log(execution):
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
        logging = machine.get("loggingConfiguration")
        level = member(logging, "level") or "OFF"
        for destination in member(logging, "destinations") or []:
            arn = member(member(destination, "cloudWatchLogsLogGroup"), "logGroupArn") or ""
            group = arn.partition(":log-group:")[2].removesuffix(":*")
            if level == "OFF" or group not in cloudwatch_logs._log_groups:
                continue
            stream = f"states/{machine['name']}"
            if stream not in cloudwatch_logs._log_groups[group]["streams"]:
                cloudwatch_logs._create_log_stream(
                    {"logGroupName": group, "logStreamName": stream})
            records = [record(execution, event) for event in execution["events"]
                       if level == "ALL" or is_error(event["type"])]
            cloudwatch_logs._put_log_events(
                {"logGroupName": group, "logStreamName": stream, "logEvents": records})

    def is_error(kind):
        return kind == "FailStateEntered" or kind.endswith(("Failed", "TimedOut", "Aborted"))

    def record(execution, event):
        at = stepfunctions._iso_to_epoch_ms(event["timestamp"])
        details = {}
        for name, value in event.items():
            if name.endswith("EventDetails") and isinstance(value, dict):
                details.update((k, v) for k, v in value.items() if k not in ("input", "output"))
        message = {
            "id": str(event["id"]),
            "type": event["type"],
            "details": details,
            "previous_event_id": str(event["id"] - 1),
            "event_timestamp": str(at),
            "execution_arn": execution["executionArn"],
            "redrive_count": "0",
        }
        return {"timestamp": at, "message": json.dumps(message)}

    def express_machine(data):
        """The machine that is to be started, and its ARN, where it is an Express one."""
        arn = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        machine = stepfunctions._state_machines.get(arn) if arn else None
        return (machine, arn) if machine and machine.get("type") == "EXPRESS" else None

    def begun(machine, arn, data):
        name = data.get("name") or str(uuid.uuid4())
        began = stepfunctions.now_iso()
        given = data.get("input", "{}")
        execution = {
            "executionArn": (arn.replace(":stateMachine:", ":express:")
                             + f":{name}:{uuid.uuid4()}"),
            "stateMachineArn": arn,
            "name": name,
            "status": "RUNNING",
            "startDate": began,
            "stopDate": None,
            "input": given,
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "testCase": "",
            "mockAttempts": {},
            "encryptionConfiguration": copy.deepcopy(
                machine.get("encryptionConfiguration") or stepfunctions._default_encryption()),
            "sync": True,  # tells no bus of its end
            "events": [
                {"id": 1, "type": "ExecutionStarted", "timestamp": began,
                 "executionStartedEventDetails": {
                     "input": given, "roleArn": machine.get("roleArn", "")}},
            ],
        }
        stepfunctions._executions[execution["executionArn"]] = execution
        return execution

    def start_express(data):
        express = express_machine(data)
        if not express:
            return start(data)
        execution = begun(*express, data)
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(run_and_log, execution["executionArn"]),
            daemon=True,
        ).start()
        return stepfunctions.json_response({
            "executionArn": execution["executionArn"], "startDate": execution["startDate"]})

    def start_sync_express(data):
        express = express_machine(data)
        if not express and data.get("stateMachineArn") not in stepfunctions._state_machines:
            return sync(data)
        if not express:
            return stepfunctions.error_response_json(
                "StateMachineTypeNotSupported",
                "This operation is not supported by this type of state machine", 400)
        execution = begun(*express, data)
        run_and_log(execution["executionArn"])
        told = ("executionArn", "stateMachineArn", "name", "startDate", "stopDate", "status",
                "input", "output", "error", "cause")
        return stepfunctions.json_response(
            {member: execution[member] for member in told if execution.get(member) is not None})

    def run_and_log(execution_arn):
        run(execution_arn)
        execution = stepfunctions._executions.get(execution_arn)
        machine = execution and stepfunctions._state_machines.get(execution["stateMachineArn"])
        if machine and machine.get("type") == "EXPRESS":
            log(execution)

    stepfunctions._start_execution = start_express
    stepfunctions._start_sync_execution = start_sync_express


def update_nested_stacks() -> None:
    """CloudFormation: let a change reach the resources of a nested stack.

    As delivered, updating a child whose resources refer to each other by
    GetAtt fails, because the attributes they had are not passed on.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import provisioners

    update = getattr(provisioners, "_update_resource", None)
    expect(callable(update), "provisioners._update_resource is gone")
    expect("old_attrs" in inspect.signature(update).parameters,
           "provisioners._update_resource takes no old_attrs")
    expect(hasattr(cloudformation, "_stacks"), "cloudformation._stacks is gone")

    def update_with_attributes(resource_type, physical_id, old, new, stack,
                               logical_id=None, old_attrs=None):
        if old_attrs is None:
            there = (cloudformation._stacks.get(stack) or {}).get("_resources", {})
            old_attrs = (there.get(logical_id) or {}).get("Attributes")
        return update(resource_type, physical_id, old, new, stack, logical_id, old_attrs)

    provisioners._update_resource = update_with_attributes


CHANGES = (
    send_answers_at_once,
    collect_logs_promptly,
    let_idle_environments_sleep,
    start_workflows_at_once,
    wait_as_retriers_say,
    run_express_as_aws_does,
    update_nested_stacks,
)


def make_changes() -> tuple[list[str], list[dict[str, str]]]:
    """Gives the names of the changes made, and those not made with the reason."""
    made, left = [], []
    for change in CHANGES:
        try:
            change()
            made.append(change.__name__)
        except Exception as reason:  # a private part may be gone in any way at all
            left.append({"change": change.__name__, "reason": str(reason)})
            print(f"launch: left out {change.__name__}: {reason}; "
                  "local timings will be longer (is ministack the version in "
                  "requirements.txt?)", file=sys.stderr)
    return made, left


def environment(state: Path, port: int) -> dict[str, str]:
    """What ministack must find in its environment before it is imported.

    Functions inherit all of it. The endpoint must be in it, or a bootstrap is
    given none; the configuration files must be none, or the user's own profile
    reaches the functions.
    """
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        # Both would listen on every interface, whatever BIND_HOST says.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # With a daemon in reach ministack would remove containers it thinks its own.
        "DOCKER_HOST": f"unix://{state}/no-docker.sock",
        "LAMBDA_EXECUTOR": "local",
        # What a crowd leaves behind is kept for a minute, not for five.
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "TMPDIR": str(state / "tmp"),
        "STATE_DIR": str(state / "saved"),
        "HOME": str(state / "tmp"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def take_lock(path: Path):
    """Gives the locked file, or None if another emulator has it.

    Whoever asks whether one runs takes the lock for an instant to find out,
    hence the second and further tries.
    """
    lock = open(path, "w", encoding="utf-8")
    for _ in range(40):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            time.sleep(0.025)
    return None


def write_record(path: Path, record: dict) -> None:
    """Whole or not at all: a reader never meets half a record."""
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def end_with(pid: int) -> None:
    """Ends the emulator when process `pid` is gone: a test run's emulator does not outlive it."""

    def watch() -> None:
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except PermissionError:
                pass  # there, but somebody else's
            time.sleep(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description="Start the local AWS emulator.")
    parser.add_argument("--state", type=Path, required=True, help="directory for all it writes")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--until-exit-of", type=int, metavar="PID", help="end when that process does")
    parser.add_argument("--stock", action="store_true", help="change nothing in ministack")
    options = parser.parse_args()

    state = options.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    # Held until the process ends; Python opens files so that children do not inherit them.
    lock = take_lock(state / "emulator.lock")
    if lock is None:
        print(f"launch: an emulator already runs with the state in {state}", file=sys.stderr)
        raise SystemExit(ALREADY_RUNNING)

    # A session of its own: a Ctrl-C or a closed terminal ends the command, not
    # the emulator; and its functions can be ended with it, as one group.
    if os.getpgrp() != os.getpid():
        os.setsid()

    # Nothing is carried over from an earlier start: neither unpacked functions
    # nor the copies of their archives.
    for name in ("tmp", "saved"):
        shutil.rmtree(state / name, ignore_errors=True)
        (state / name).mkdir()
    os.environ.update(environment(state, options.port))
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        os.environ.setdefault(name, value)

    made, left = ([], []) if options.stock else make_changes()
    record = state / "emulator.json"
    write_record(record, {
        "pid": os.getpid(),
        "port": options.port,
        "changes": made,
        "changes_left_out": left,
    })
    if options.until_exit_of:
        end_with(options.until_exit_of)
    try:
        from ministack.app import main as serve

        sys.argv = ["ministack"]
        serve()
    finally:
        record.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
