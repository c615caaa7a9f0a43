"""What Windows does to a program when a key, a window or the session ends it; run by the Windows Python of the tests.

    python windows_events.py EVENT PROCESS    send an event to a process; say how it ended, and after how many seconds
    python windows_events.py modes FILE …     run the command … in this console, and tell its modes in the file

Wine sends Ctrl-C alone. The other events begin a thread in the process, as on Windows: in CtrlRoutine, which calls the
program's handlers, last set first. Once that returns, or after 5 s, the process is ended.
"""

import subprocess
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import os
    import signal
    from ctypes import wintypes

    EVENTS = {"break": 1, "close": 2}
    LIMIT = 5_000
    RETURNED, STILL_ACTIVE = 1, 259
    QUERY, END = 0x11, 0x16
    QUICK_EDIT = 0xC0

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.OpenProcess.restype = wintypes.HANDLE
    kernel32.GetModuleHandleW.restype = wintypes.HMODULE
    kernel32.GetProcAddress.restype = ctypes.c_void_p
    kernel32.GetProcAddress.argtypes = (wintypes.HMODULE, ctypes.c_char_p)
    kernel32.CreateRemoteThread.restype = wintypes.HANDLE
    kernel32.CreateRemoteThread.argtypes = (
        wintypes.HANDLE, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD,
        ctypes.c_void_p,
    )  # fmt: skip
    kernel32.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    kernel32.TerminateProcess.argtypes = (wintypes.HANDLE, wintypes.UINT)
    kernel32.GetExitCodeThread.argtypes = kernel32.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.c_void_p)

    def send(event: str, process_id: int) -> None:
        process = opened(process_id)
        began = time.monotonic()
        code = wintypes.DWORD()
        if event == "log off":
            tell_window(process_id)
        else:
            thread = have_handled(process, EVENTS[event])
            kernel32.WaitForSingleObject(thread, LIMIT)
            kernel32.GetExitCodeThread(thread, ctypes.byref(code))
            if event == "close" and code.value in (RETURNED, STILL_ACTIVE):  # not if it ended with its process
                kernel32.TerminateProcess(process, 99)
        kernel32.WaitForSingleObject(process, LIMIT)
        kernel32.GetExitCodeProcess(process, ctypes.byref(code))
        sys.stdout.write(f"exit {code.value} after {time.monotonic() - began:.1f} s\n")

    def opened(process_id: int) -> int:
        """Return a handle of a process, with which anything may be done to it."""
        process: int = kernel32.OpenProcess(0x1FFFFF, False, process_id)
        assert process, ctypes.get_last_error()
        return process

    def have_handled(process: int, event: int) -> int:
        """Begin a thread in a process that calls its handlers of an event; return a handle of the thread."""
        routine = kernel32.GetProcAddress(kernel32.GetModuleHandleW("kernelbase"), b"CtrlRoutine")
        thread: int = kernel32.CreateRemoteThread(process, None, 0, routine, event, 0, None)
        assert thread, ctypes.get_last_error()
        return thread

    def tell_window(process_id: int) -> None:
        """Tell a program's window that its user logs off."""
        user32 = ctypes.WinDLL("user32", use_last_error=True)
        window = user32.FindWindowW("meosbackup", "meosbackup")
        owner = wintypes.DWORD()
        user32.GetWindowThreadProcessId(window, ctypes.byref(owner))
        assert owner.value == process_id
        for message in (QUERY, END):
            answer = ctypes.c_size_t()
            user32.SendMessageTimeoutW(window, message, 1, 0, 0, LIMIT, ctypes.byref(answer))
            assert message == END or answer.value == 1, "it would keep the user from logging off"

    def modes(found: Path, command: list[str]) -> None:
        """Switch QuickEdit on, run a command until Ctrl-C, and tell the modes before, meanwhile and after."""
        set_mode("CONIN$", mode("CONIN$") | QUICK_EDIT)
        lines = [told_modes()]
        process = subprocess.Popen(command)
        while not found.with_suffix(".go").exists():
            time.sleep(0.05)
        lines.append(told_modes())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        kernel32.GenerateConsoleCtrlEvent(0, 0)
        code = process.wait()
        found.write_text("\n".join([*lines, told_modes(), str(code)]))

    def told_modes() -> str:
        return f"{mode('CONIN$') & QUICK_EDIT:#x} {mode('CONOUT$') & 4:#x}"

    def mode(name: str) -> int:
        value = ctypes.c_ulong()
        descriptor = os.open(name, os.O_RDWR)
        assert kernel32.GetConsoleMode(wintypes.HANDLE(msvcrt.get_osfhandle(descriptor)), ctypes.byref(value))
        os.close(descriptor)
        return value.value

    def set_mode(name: str, value: int) -> None:
        descriptor = os.open(name, os.O_RDWR)
        assert kernel32.SetConsoleMode(wintypes.HANDLE(msvcrt.get_osfhandle(descriptor)), value)
        os.close(descriptor)

    if __name__ == "__main__":
        if sys.argv[1] == "modes":
            modes(Path(sys.argv[2]), sys.argv[3:])
        else:
            send(sys.argv[1], int(sys.argv[2]))
