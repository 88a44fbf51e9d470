"""The system calls that no command of a sandbox needs and that reach beyond its namespaces, as a kernel filter.

Namespaces do not cover kernel keyrings, BPF, performance counters and the like. The filter answers such calls with
"not permitted". Nothing here talks to the kernel: it makes the bytes that bubblewrap loads.
"""

from __future__ import annotations

import platform
import struct

_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _NOT_PERMITTED, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4
_X32_BIT = 0x40000000

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# keyctl family, bpf, perf_event_open, userfaultfd, mounts by the old and the new interface, modules, kexec, accounting,
# swap, quota, reboot, clock setting, handles that bypass path lookup, io_uring (its operations are not filtered here).
# fmt: off
_REFUSED: dict[str, tuple[int, ...]] = {
    "x86_64": (
        248, 249, 250, 321, 298, 323, 165, 166, 155, 428, 429, 430, 431, 432, 433, 442, 175, 176, 313, 246, 320, 163,
        167, 168, 179, 169, 159, 305, 227, 164, 303, 304, 425, 426, 427, 103, 153, 134, 174, 177, 178, 180,
    ),
    "aarch64": (
        217, 218, 219, 280, 241, 282, 40, 39, 41, 428, 429, 430, 431, 432, 433, 442, 105, 106, 273, 104, 294, 89,
        224, 225, 60, 142, 171, 266, 112, 170, 264, 265, 425, 426, 427, 116, 58,
    ),
}
# fmt: on


def filter_program(machine: str | None = None) -> bytes | None:
    """The filter for this (or the named) machine; None for a machine whose numbers are not known here."""
    machine = machine or platform.machine()
    arch = _ARCH.get(machine)
    if arch is None:
        return None
    refused = sorted(set(_REFUSED[machine]))
    program = [
        (_LOAD_WORD, 0, 0, _OFFSET_ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),  # another calling convention has other numbers
        (_LOAD_WORD, 0, 0, _OFFSET_NUMBER),
        (_JUMP_AT_LEAST, len(refused) + 1, 0, _X32_BIT),
    ]
    program += [(_JUMP_EQUAL, len(refused) - place, 0, number) for place, number in enumerate(refused)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOT_PERMITTED)]
    return b"".join(struct.pack("=HBBI", *line) for line in program)
