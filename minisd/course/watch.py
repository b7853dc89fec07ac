"""Run somebody's code so that an endless loop or a flood of prints ends, on Windows too."""

import ctypes
import io
import threading
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass

TIME_LIMIT = 10.0  # seconds
MAX_LINES = 1000  # printed
TRIES = 20  # to stop code that catches everything


class Stopped(BaseException):
    """Raised inside the answer when its time is over or it printed too much."""


@dataclass
class Outcome:
    """What came of it: a value or an error; "time" or "lines" where it had to be stopped."""

    value: object = None
    error: BaseException | None = None
    stopped: str | None = None
    printed: str = ""
    still_running: bool = False


class _Sink(io.StringIO):
    """Where prints go: counted, and ended when there are too many."""

    num_lines = 0

    def write(self, text):
        """Keep the text, or stop the one who writes."""
        self.num_lines += text.count("\n")
        if self.num_lines > MAX_LINES:
            raise Stopped("lines")
        return super().write(text)


def watched(function, *arguments) -> Outcome:
    """Call `function` in a thread of its own and give it TIME_LIMIT seconds.

    A thread cannot be killed, but Python can raise an exception in it, between two of its
    instructions. Code that catches even that is left alone after TRIES attempts.
    """
    outcome, sink = Outcome(), _Sink()

    def work():
        try:
            outcome.value = function(*arguments)
        except BaseException as error:  # an answer may raise anything, exit() too
            outcome.error = error

    thread = threading.Thread(target=work, daemon=True)
    with redirect_stdout(sink), warnings.catch_warnings(action="ignore"):
        thread.start()
        try:
            thread.join(TIME_LIMIT)
            late = thread.is_alive()
        finally:  # also where the learner interrupts the kernel
            _stop(thread)
    if late:
        outcome.stopped = "time"
    elif sink.num_lines > MAX_LINES:
        outcome.stopped = "lines"
    outcome.printed, outcome.still_running = sink.getvalue(), thread.is_alive()
    return outcome


def _stop(thread) -> None:
    for _ in range(TRIES):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
        )
        thread.join(0.05)
