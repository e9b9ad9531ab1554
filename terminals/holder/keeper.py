"""The holder's loop: terminal to journal, socket to terminal, and the end of both.

One thread, no wake-up without an event: every deadline below belongs to something under way.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from quarterdeck.process import descendants, stat
from terminals.holder import files, wire
from terminals.holder.client import Client
from terminals.holder.events import READ, WRITE, Events
from terminals.holder.intake import AHEAD, LONGEST_PACE, Intake
from terminals.holder.ledger import Ledger
from terminals.holder.program import Program
from terminals.holder.reception import Reception
from terminals.holder.replies import Replies
from terminals.journal.writer import Writer

INPUT_LIMIT = 4 << 20
SYNC_AFTER = 1.0
"""Seconds after which what was recorded is handed to the disk."""
SYNC_EARLY = 0.7
"""The same when the holder is awake anyway."""
LINGER_LIMIT = 300.0

_RESIZE_LIMITS = (500, 300)


class Keeper:
    """Serves one terminal until its program and its output have ended.

    ``source`` is what is read: the program's PTY, or with ``program`` None the descriptor a pane's output comes from;
    then nothing can be typed and no exit is known. ``facts`` is the content of holder.json, ``heir`` what a successor
    is asked with. Of writes up to ``forgotten`` a holder knew that was killed.
    """

    def __init__(
        self,
        *,
        folder: str,
        socket_path: str,
        listener: socket.socket,
        source: int,
        program: Program | None,
        journal: Writer,
        replies: Replies,
        facts: dict[str, Any],
        heir: dict[str, Any],
        forgotten: int = -1,
        lease: float | None = None,
        linger: float = 10.0,
    ) -> None:
        self._folder, self._socket_path = folder, socket_path
        self._source, self._program, self._journal, self._replies = source, program, journal, replies
        self._facts, self._heir, self._lease, self._linger = facts, heir, lease, linger
        self._ready = Events()
        self._reception = Reception(listener, self._ready, self)
        self._intake = Intake(source, program=program is not None)
        self._ledger = Ledger(forgotten)
        self._input: deque[memoryview] = deque()
        self._queued = 0
        self._news = False
        self._unattached_since: float | None = time.monotonic()
        self._ending: list[tuple[float, int]] = []
        self._closing = False
        self._lapsed = False
        """Whether nobody came within the lease: then what went into a process session of its own ends as well."""
        self._exit: dict[str, Any] | None = None
        self._exit_retry: float | None = None
        self._linger_until: float | None = None
        self._linger_end = 0.0
        self._retry_record: float | None = None
        self._over = False

    # the loop

    def run(self) -> None:
        """Serve until the end. Only a bug raises, and then it is written to holder.error and serving goes on."""
        wake, self._wake_write = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._ready.watch(wake, READ, lambda _events: self._reap(wake))
        if self._program is not None and self._program.end_told >= 0:
            self._ready.watch(self._program.end_told, READ, lambda _events: self._ended_elsewhere())
        self._reception.open()
        self._watch_source()
        self._guarded(self._reap, wake)
        while not self._over:
            self._guarded(self._turn)

    def _guarded(self, step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception as error:  # noqa: BLE001  the program must outlive any mistake of ours
            with contextlib.suppress(OSError), open(f"{self._folder}/holder.error", "a", encoding="utf-8") as log:
                log.write(files.words(error) + "\n")
            time.sleep(0.05)

    def _turn(self) -> None:
        due = min(self._deadlines(), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        # Output first: whoever asks "if nothing was printed since" must hear of it.
        for handler, events in self._ready.wait(timeout, self._source):
            self._guarded(handler, events)
        self._on_time()
        self._tell()
        self._reception.sweep()

    def _deadlines(self) -> Iterator[float]:
        if self._journal.dirty_ns:
            # What rests was printed up to a pace before it was recorded, and is not to be lost for longer.
            yield self._journal.dirty_ns / 1e9 + max(SYNC_EARLY, SYNC_AFTER - 0.8 * self._intake.pace)
        if self._lease_due is not None:
            yield self._lease_due
        yield from self._reception.deadlines()
        yield from self._intake.deadlines()
        for due in (self._exit_retry, self._linger_until, self._retry_record):
            if due is not None:
                yield due
        if self._ending:
            yield self._ending[0][0]

    def _on_time(self) -> None:
        now = time.monotonic()
        dirty = self._journal.dirty_ns
        if dirty and now >= dirty / 1e9 + SYNC_EARLY:
            self._journal.check()
            self._journal.sync()
        if self._journal.recording:
            self._retry_record = None
        elif self._retry_record is None:
            self._retry_record = now + 1.0
        elif now >= self._retry_record:
            self._journal.check()
            self._news = True
            self._retry_record = now + 1.0
        if self._intake.on_time(now):
            self._watch_source()
        self._reception.on_time(now)
        if self._lease_due is not None and now >= self._lease_due:
            self._lapsed = True
            self._close(3.0)
            self._end_strays(signal.SIGTERM)
        while self._ending and now >= self._ending[0][0]:
            _, number = self._ending.pop(0)
            if number and self._program is not None:
                self._program.end(number)
            elif not number:
                self._finish()
                return
        if any(due is not None and now >= due for due in (self._linger_until, self._exit_retry)):
            self._finish()

    @property
    def _lease_due(self) -> float | None:
        if self._lease is None or self._unattached_since is None or self._closing:
            return None
        return self._unattached_since + self._lease

    @property
    def _forsaken(self) -> bool:
        """Whether nobody came within the lease, also where the program had ended before."""
        since = self._unattached_since
        return self._lease is not None and since is not None and time.monotonic() >= since + self._lease

    # the terminal

    def _watch_source(self) -> None:
        """Listen to the terminal for what is wanted of it now."""
        wanted = 0
        if self._intake.wanted:
            wanted |= READ
        if self._intake.open and self._input:
            wanted |= WRITE
        self._ready.watch(self._source, wanted, self._on_source)

    def _on_source(self, events: int) -> None:
        if events & READ and self._intake.wanted:
            self._read(thorough=False)
        if events & WRITE and self._intake.open:
            self._type()

    def _read(self, *, thorough: bool = True) -> None:
        """Record what the terminal printed, as one append; ``thorough`` as :meth:`Intake.take` has it."""
        data, ended = self._intake.take(thorough=thorough)
        if data:
            self._record(data)
        if ended:
            self._end_of_output()

    def _read_now(self) -> None:
        """Record all that was printed until now, unless the terminal must not be read."""
        if self._intake.readable:
            self._read()

    def _rise(self) -> None:
        """Read a terminal whose output rests, and again as soon as it prints."""
        if self._intake.rise():
            self._read(thorough=False)
            self._watch_source()

    def _record(self, data: bytes) -> None:
        begin = self._journal.offset
        recorded = self._journal.append(data)
        main = self._reception.follower
        if not recorded and main is not None and not self._intake.stalled:
            main.send(wire.frame(wire.DATA, wire.U64.pack(begin) + data))
        answer = self._replies.scan(begin, data, answer=main is None)
        if answer:
            self._queue(answer)
        self._news = True
        if self._linger_until is not None and not self._closing:
            self._linger_until = min(time.monotonic() + self._linger, self._linger_end)
        if main is not None and self._intake.behind(self._journal.offset - main.acknowledged):
            self._watch_source()

    def _end_of_output(self) -> None:
        if self._program is not None and self._exit is None and self._program.hold_open():
            return  # everybody closed the terminal, but the program lives and may open it again
        self._intake.close()
        self._drop_input()
        self._watch_source()
        if self._program is None or self._exit is not None:
            self._finish()

    def _type(self) -> None:
        """Hand queued input to the terminal, as much as it takes."""
        try:
            while self._input:
                count = os.write(self._source, self._input[0][:65536])
                self._queued -= count
                rest = self._input[0][count:]
                if rest:
                    self._input[0] = rest
                else:
                    self._input.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._drop_input()
        self._watch_source()

    def _queue(self, data: bytes) -> bool:
        if not data:
            return True
        if self._queued + len(data) > INPUT_LIMIT:
            return False
        self._input.append(memoryview(data))
        self._queued += len(data)
        self._type()
        return True

    def _drop_input(self) -> None:
        self._input.clear()
        self._queued = 0

    def _resume(self) -> None:
        """Read it from now on, whatever held that up."""
        self._intake.resume()
        self._intake.rise()
        self._watch_source()

    # the program

    def _reap(self, wake: int) -> None:
        """Collect ended children: the program, and orphans that came to us."""
        try:
            while os.read(wake, 512):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if self._program is not None and pid == self._program.pid:
                self._exited(os.waitstatus_to_exitcode(status))
        self._hurry()

    def _ended_elsewhere(self) -> None:
        """The program of a killed holder ended: who reaps it is told its status, we are not."""
        assert self._program is not None
        self._ready.forget(self._program.end_told)
        os.close(self._program.end_told)
        self._exited(None)
        self._hurry()

    def _hurry(self) -> None:
        if self._closing and self._exit is not None and self._program is not None and not self._program.left():
            # What still holds the terminal open is not ours to end: do not wait long for it.
            self._ending = []
            self._linger_until = min(self._linger_until or self._linger_end, time.monotonic() + 0.3)

    def _exited(self, code: int | None) -> None:
        self._rise()
        self._exit = {
            "code": code,
            "offset": self._journal.offset,
            "end": -1,
            "wall_ns": time.time_ns(),
            "boot": self._facts["boot"],
            "closed": self._closing,
        }
        if self._reception.main is not None:
            self._reception.main.send(wire.json_frame(wire.EXITED, self._exit))
        now = time.monotonic()
        self._linger_end = now + LINGER_LIMIT
        self._linger_until = now + self._linger
        assert self._program is not None
        self._program.let_close()
        if not self._intake.open:
            self._finish()

    def _close(self, grace: float) -> None:
        """Hang up now, TERM after half the grace, KILL after it, and end in any case soon after that."""
        now = time.monotonic()
        if self._program is None:
            self._intake.resume()
            self._read()
            self._finish()
            return
        self._closing = True
        self._ending = [(now + grace / 2, signal.SIGTERM), (now + grace, signal.SIGKILL), (now + grace + 2.0, 0)]
        self._resume()
        self._program.end(signal.SIGHUP)

    def _end_strays(self, number: int) -> None:
        """Signal what left the program's process session: all that is started here has us above it to its end."""
        program = self._program.pid if self._program is not None else 0
        for pid in descendants(os.getpid()) if program else ():
            if (found := stat(pid)) is not None and found.session != program:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)

    def _finish(self) -> None:
        """The last byte is in: close the journal, write exit.json, say so, and end."""
        if self._over:
            return
        if self._lapsed:
            self._end_strays(signal.SIGKILL)
        self._intake.close()
        self._drop_input()
        self._watch_source()
        self._linger_until = None
        self._ending = []
        self._journal.close()
        end = self._journal.offset
        record = self._exit or {"code": None, "offset": end, "wall_ns": time.time_ns(), "boot": self._facts["boot"]}
        record["end"] = end
        if self._program is not None and os.path.isdir(self._folder):
            try:
                files.write_json(f"{self._folder}/{files.EXIT}", record, durable=True)
            except OSError:
                if not self._forsaken:
                    self._exit_retry = time.monotonic() + 1.0
                    return
        self._over = True
        files.remove(self._socket_path)
        if self._reception.main is not None:
            self._reception.main.send(wire.json_frame(wire.ENDED, record))
        self._reception.close()

    # clients

    def hand(self, client: Client) -> None:
        """See :class:`terminals.holder.reception.Host`."""
        if self._program is None or not self._intake.open:
            client.dead = True
        else:
            client.hand(wire.json_frame(wire.HANDED, self._heir), self._program.master)

    def left(self, client: Client) -> None:
        """See :class:`terminals.holder.reception.Host`."""
        if client.attached:
            self._unattached_since = time.monotonic()
            self._journal.attach(False)
        self._intake.stalled, self._intake.pace = False, 0.0
        self._resume()

    def _tell(self) -> None:
        """Tell how far the journal reaches, unless the last time was not answered yet: then output may rest."""
        main = self._reception.follower
        if main is None:
            return
        if self._news and not main.told:
            self._news = False
            main.told = True
            main.send(wire.frame(wire.OFFSET, wire.U64.pack(self._journal.offset)))
        if main.told and self._intake.pace and self._intake.rest():
            self._watch_source()

    def asked(self, client: Client, kind: int, payload: bytes) -> None:
        """See :class:`terminals.holder.reception.Host`."""
        if kind not in self._HANDLERS:
            raise wire.Malformed(f"type {kind}")
        self._HANDLERS[kind](self, client, payload)

    def state(self) -> dict[str, Any]:
        """What STATE carries: holder.json's facts and how things stand now."""
        return {
            **self._facts,
            "offset": self._journal.offset,
            "recording": self._journal.recording,
            "cols": self._journal.cols,
            "lines": self._journal.lines,
            "exit": self._exit,
            "replied_upto": self._replies.replied_upto,
            "answered": self._replies.answered,
            "newest_write": self._ledger.newest,
        }

    def _on_attach(self, client: Client, payload: bytes) -> None:
        (offset,) = wire.U64.unpack(payload)
        self._journal.check()
        self._read_now()  # what is there now was printed while nobody followed: the table answers it
        client.attached, client.told, client.acknowledged = True, False, offset
        self._intake.stalled = self._news = False
        self._intake.pace = 0.0
        self._unattached_since = None
        self._journal.attach(True)
        client.send(wire.json_frame(wire.STATE, self.state()))
        self._resume()

    def _on_ack(self, client: Client, payload: bytes) -> None:
        (offset,) = wire.U64.unpack(payload)
        client.told = False
        client.acknowledged = max(client.acknowledged, min(offset, self._journal.offset))
        if self._journal.offset - client.acknowledged <= AHEAD:
            self._intake.stalled = False
            if self._intake.paused:
                self._resume()
        self._rise()

    def _on_pace(self, client: Client, payload: bytes) -> None:
        (milliseconds,) = wire.U32.unpack(payload)
        self._intake.pace = min(milliseconds / 1000, LONGEST_PACE) if "master" in client.takes else 0.0
        self._journal.attach(True, resting=bool(self._intake.pace))
        if not self._intake.pace:
            self._rise()

    def _on_keep(self, _client: Client, payload: bytes) -> None:
        (offset,) = wire.U64.unpack(payload)
        self._journal.keep_from(min(offset, self._journal.offset))

    def _on_write(self, client: Client, payload: bytes) -> None:
        write_id, if_offset = wire.WRITE_HEAD.unpack_from(payload)
        known = self._ledger.outcome(write_id)
        status, offset = known or (self._write(payload[wire.WRITE_HEAD.size :], if_offset), self._journal.offset)
        if known is None:
            self._ledger.record(write_id, status, offset)
        client.send(wire.frame(wire.WROTE, wire.WROTE_BODY.pack(write_id, status, offset)))

    def _write(self, data: bytes, if_offset: int) -> int:
        if self._program is None or self._exit is not None or not self._intake.open:
            return wire.CLOSED
        if if_offset != wire.ANY:
            if self._intake.paused:
                return wire.REFUSED  # more was printed than is recorded
            self._read()
            if self._journal.offset != if_offset:
                return wire.REFUSED
        if not self._intake.open:
            return wire.CLOSED
        return wire.WRITTEN if self._queue(data) else wire.FULL

    def _on_reply(self, _client: Client, payload: bytes) -> None:
        (upto,) = wire.U64.unpack_from(payload)
        if upto <= self._journal.offset and self._program is not None and self._replies.accept(upto):
            self._queue(payload[wire.U64.size :])

    def _on_resize(self, client: Client, payload: bytes) -> None:
        request, cols, lines = wire.RESIZE_BODY.unpack(payload)
        cols, lines = (max(1, min(value, most)) for value, most in zip((cols, lines), _RESIZE_LIMITS, strict=True))
        answer: dict[str, Any] = {"cols": cols, "lines": lines}
        if (cols, lines) != (self._journal.cols, self._journal.lines):
            self._read_now()  # what was printed before belongs to the old size
            if not self._journal.resize(cols, lines):
                client.send(wire.frame(wire.RESIZED, wire.RESIZED_BODY.pack(self._journal.offset, cols, lines)))
            self._news = True
            if self._program is not None and self._intake.open:
                try:
                    self._program.resize(cols, lines)
                except OSError as error:
                    answer["error"] = error.strerror or str(error)
        client.send(wire.frame(wire.DONE, wire.U32.pack(request) + json.dumps(answer).encode()))

    def _on_signal(self, client: Client, payload: bytes) -> None:
        request, number = wire.SIGNAL_BODY.unpack(payload)
        answer: dict[str, Any] = {}
        try:
            if self._program is None or self._exit is not None:
                answer["error"] = "the program has ended"
            elif number not in signal.valid_signals():
                answer["error"] = f"there is no signal {number}"
            else:
                self._program.signal(number)
        except OSError as error:
            answer["error"] = error.strerror or str(error)
        client.send(wire.frame(wire.DONE, wire.U32.pack(request) + json.dumps(answer).encode()))

    def _on_close(self, _client: Client, payload: bytes) -> None:
        (grace,) = wire.U32.unpack(payload)
        if not self._closing:
            self._close(grace / 1000)

    def _on_describe(self, client: Client, payload: bytes) -> None:
        (request,) = wire.U32.unpack(payload)
        self._read_now()  # its offset is taken for all that was printed
        program = self._program
        answer = {
            **self.state(),
            "foreground": program.foreground if program is not None else 0,
            "processes": program.left() if program is not None else [],
            "input_queued": self._queued,
            "acknowledged": client.acknowledged,
            "reading": self._intake.readable,
            "stalled": self._intake.stalled,
            "pace": self._intake.pace,
            "journal_bytes": self._journal.total,
            "strangers": self._reception.strangers,
        }
        client.send(wire.frame(wire.DONE, wire.U32.pack(request) + json.dumps(answer).encode()))

    def _on_bye(self, client: Client, _payload: bytes) -> None:
        client.dead = True

    _HANDLERS: dict[int, Callable[[Keeper, Client, bytes], None]] = {  # noqa: RUF012
        wire.ATTACH: _on_attach,
        wire.ACK: _on_ack,
        wire.KEEP: _on_keep,
        wire.WRITE: _on_write,
        wire.REPLY: _on_reply,
        wire.RESIZE: _on_resize,
        wire.SIGNAL: _on_signal,
        wire.CLOSE: _on_close,
        wire.DESCRIBE: _on_describe,
        wire.BYE: _on_bye,
        wire.PACE: _on_pace,
    }
