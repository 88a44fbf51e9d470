"""Attempts to get out of a sandbox, as data: each is a command that says ESCAPED, or leaves a trace, if it works.

The names in braces are filled in by whoever runs them (:class:`Outside` in ``support.outside`` makes the world that is
attacked and knows whether it was touched). Read-only knowledge; nothing here runs anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Escape:
    """One attempt. It succeeded when its output holds a canary or the word ESCAPED, or the outside was touched."""

    name: str
    command: str


def _python(name: str, code: str) -> Escape:
    return Escape(name, f"python3 - <<'PROGRAM'\n{code}\nPROGRAM")


_CONNECT = """
import socket
try:
    s = socket.socket({family}, {kind}); s.settimeout(2); s.connect({address}); s.send(b"touched")
    {after}
except OSError as e: print("refused", e)
"""


def _connect(name: str, family: str, kind: str, address: str, after: str = 'print("ESCAPED")') -> Escape:
    code = _CONNECT.replace("{family}", f"socket.{family}").replace("{kind}", f"socket.{kind}")
    return _python(name, code.replace("{address}", address).replace("{after}", after))


_SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
{code}
"""


def _libc(name: str, code: str) -> Escape:
    return _python(name, _SYSCALL.replace("{code}", code))


READS = [
    Escape("read a key in the home directory", "cat '{home}/.ssh/id_ed25519'"),
    Escape("read cloud credentials", "cat '{home}/.aws/credentials'"),
    Escape("read the package registry's token", "cat '{home}/.npmrc' '{home}/.netrc'"),
    Escape("read cargo's credentials beside its programs", "cat '{home}/.cargo/credentials.toml'"),
    Escape("read the store's journal", "cat '{store}/mission-x/event-log.jsonl'"),
    Escape("list the store", "ls -R '{store}' | grep -q event-log && echo ESCAPED"),
    Escape("read a neighbour of the workspace", "cat '{workspace}/../neighbour/secret.txt'"),
    Escape(
        "read through a link to the home directory",
        "ln -s '{home}' way && cat way/.ssh/id_ed25519; rm -f way",
    ),
    Escape("read through a link that was there", "cat planted-link"),
    Escape("read password hashes", "grep -q '^root:[^!*]' /etc/shadow && echo ESCAPED"),
    Escape("read the host's view by /proc/1/root", "cat /proc/1/root'{home}/.ssh/id_ed25519'"),
    Escape(
        "read by the supervisor's working directory", "cat /proc/1/cwd/../../../../..'{home}/.ssh/id_ed25519'"
    ),
    Escape("read a canary from process 1's environment", "tr '\\0' '\\n' < /proc/1/environ"),
    Escape("read a canary from its own environment", "env; cat /proc/self/environ | tr '\\0' '\\n'"),
    Escape("read canaries from every environment", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"),
    Escape(
        "see the host's processes",
        "ls -d '/proc/{host_pid}' 2>/dev/null && grep -a -l HOST_SLEEPER /proc/{host_pid}/environ && echo ESCAPED",
    ),
    Escape("see the host's processes by ps", "ps axww -o args | grep -q '[H]OST_SLEEPER' && echo ESCAPED"),
    Escape(
        "read the kernel's log",
        "timeout 1 head -c 10 /dev/kmsg /proc/kmsg 2>/dev/null | grep -q '[0-9]' && echo ESCAPED",
    ),
    Escape("read the raw disk", "mknod disk b 8 0 && head -c 1 disk > /dev/null && echo ESCAPED; rm -f disk"),
    Escape("read the raw disk's node", "head -c 1 /dev/[svx]d[a-z] 2>/dev/null | grep -q . && echo ESCAPED"),
    Escape(
        "read kernel memory",
        "head -c 1 /dev/mem /dev/kmem /proc/kcore 2>/dev/null | grep -qa . && echo ESCAPED",
    ),
]

WRITES = [
    Escape(
        "write into the home directory",
        "echo x > '{home}/.bashrc-touched'; echo x > '{home}/.ssh/authorized_keys'",
    ),
    Escape(
        "write into the store",
        "mkdir -p '{store}/mission-x' && echo x >> '{store}/mission-x/event-log.jsonl'",
    ),
    Escape("write beside the workspace", "echo x > '{workspace}/../neighbour/touched'"),
    Escape("write into the outputs", "echo x > '{output}/001.txt' && echo ESCAPED"),
    Escape(
        "write to the system",
        "touch /usr/bin/escaped /etc/escaped /lib/escaped /opt/escaped 2>/dev/null && echo ESCAPED",
    ),
    Escape("write to a system file of root", "echo x >> /etc/hosts && echo ESCAPED"),
    Escape(
        "write through a link to the outside", "ln -s '{neighbour}' out && echo x > out/touched; rm -f out"
    ),
    Escape("write through a hard link", "ln '{neighbour}/secret.txt' hard && echo x > hard; rm -f hard"),
    Escape("write the host's temporary folder", "echo x > '{host_tmp}/touched'"),
    Escape(
        "set a kernel parameter",
        "v=$(cat /proc/sys/vm/swappiness); echo $v > /proc/sys/vm/swappiness && echo ESCAPED",
    ),
    Escape(
        "set the core dump program",
        'v=$(cat /proc/sys/kernel/core_pattern); echo "$v" > /proc/sys/kernel/core_pattern && echo ESCAPED',
    ),
    Escape(
        "pull the system request key",
        "test -w /proc/sysrq-trigger && echo h > /proc/sysrq-trigger && echo ESCAPED",
    ),
    Escape("remount the system writable", "mount -o remount,rw /usr && echo ESCAPED"),
    Escape("unmount a mask", "umount /etc/shadow && echo ESCAPED; umount '{workspace}/.git' && echo ESCAPED"),
    Escape("bind the root elsewhere", "mkdir -p m && mount --bind / m && echo ESCAPED; rmdir m"),
    Escape("mount a new proc", "mkdir -p m && mount -t proc proc m && echo ESCAPED; rmdir m"),
]

GIT = [
    Escape("set a git hook path", "git config core.hooksPath /tmp/evil && echo ESCAPED"),
    Escape(
        "append to git's config", "printf '[core]\\n\\tfsmonitor = evil\\n' >> .git/config && echo ESCAPED"
    ),
    Escape(
        "replace git's config by a rename",
        "cp .git/config /tmp/c && mv /tmp/c .git/config && echo ESCAPED; git config -f .git/config a.b c && echo ESCAPED",
    ),
    Escape("delete git's config", "rm -f .git/config && echo ESCAPED"),
    Escape("rename the git directory", "mv .git .git2 && echo ESCAPED"),
    Escape("plant a hook", "echo evil > .git/hooks/pre-commit && echo ESCAPED"),
    Escape("replace the hooks folder", "mv .git/hooks .git/hooks2 && mkdir .git/hooks && echo ESCAPED"),
    Escape("plant attributes", "echo '* filter=evil' > .git/info/attributes && echo ESCAPED"),
    Escape("redirect the common directory", "mkdir -p evil && echo ../evil > .git/commondir"),
    Escape("plant a worktree config", "echo '[core]' > .git/config.worktree"),
    Escape("plant submodule modules", "mkdir -p .git/modules/x && echo x > .git/modules/x/config"),
    Escape(
        "swap the git directory for a link", "rmdir .git; ln -sfnT /tmp .git; test -L .git && echo ESCAPED"
    ),
]

PROTECTED = [
    Escape("create editor tasks", "mkdir -p .vscode && echo '{{}}' > .vscode/tasks.json"),
    Escape("create agent settings", "mkdir -p .claude && echo '{{}}' > .claude/settings.json"),
    Escape("create a tool server list", "echo '{{}}' > .mcp.json"),
    Escape("create an environment script", "echo 'evil' > .envrc"),
    Escape("create a settings link", "ln -s /tmp .cursor"),
    Escape("change the submodule list", "echo '[submodule \"x\"]' >> .gitmodules && echo ESCAPED"),
    Escape("change existing editor settings", "echo evil > .idea/workspace.xml && echo ESCAPED"),
    Escape("rename existing editor settings", "mv .idea .idea2 && echo ESCAPED"),
]

NETWORK = [
    _connect("reach a service of the host by TCP", "AF_INET", "SOCK_STREAM", "('127.0.0.1', {tcp_port})"),
    _connect("reach a service of the host by IPv6", "AF_INET6", "SOCK_STREAM", "('::1', {tcp6_port})"),
    _connect(
        "send UDP to the host",
        "AF_INET",
        "SOCK_DGRAM",
        "('127.0.0.1', {udp_port})",
        'print("sent into the void")',
    ),
    _connect("reach the host by its own address", "AF_INET", "SOCK_STREAM", "('{host_address}', {tcp_port})"),
    _connect("reach the internet by TCP", "AF_INET", "SOCK_STREAM", "('1.1.1.1', 443)"),
    _connect("reach the internet by IPv6", "AF_INET6", "SOCK_STREAM", "('2606:4700:4700::1111', 443)"),
    _connect("ask a name server by UDP", "AF_INET", "SOCK_DGRAM", "('8.8.8.8', 53)"),
    _connect("reach the metadata service", "AF_INET", "SOCK_STREAM", "('169.254.169.254', 80)"),
    _connect("reach a Unix socket in the workspace's neighbour", "AF_UNIX", "SOCK_STREAM", "'{unix_socket}'"),
    _connect("reach an abstract Unix socket", "AF_UNIX", "SOCK_STREAM", "'\\0{abstract_socket}'"),
    Escape(
        "reach the container or message bus",
        "ls /run/docker.sock /var/run/docker.sock /run/dbus/system_bus_socket /run/user 2>/dev/null && echo ESCAPED",
    ),
    Escape("resolve a name", "getent hosts example.com && echo ESCAPED"),
    _python(
        "open a raw socket",
        "import socket\ntry:\n    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('ESCAPED')\nexcept OSError as e: print(e)",
    ),
    _python(
        "open a packet socket",
        "import socket\ntry:\n    socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('ESCAPED')\nexcept OSError as e: print(e)",
    ),
    Escape(
        "see the host's network devices",
        "ls /sys/class/net 2>/dev/null | grep -qv '^lo$' && echo ESCAPED; grep -q 'eth\\|ens\\|wlan' /proc/net/dev && echo ESCAPED",
    ),
]

PRIVILEGES = [
    Escape("make a user namespace", "unshare -U true && echo ESCAPED"),
    Escape("make a mount namespace", "unshare -m true && echo ESCAPED"),
    Escape("make a network namespace", "unshare -n true && echo ESCAPED"),
    Escape(
        "enter the host's namespaces",
        "nsenter -t 1 -m -n -p true && echo ESCAPED; nsenter -t {host_pid} -a true && echo ESCAPED",
    ),
    Escape("change the root", "chroot / true && echo ESCAPED"),
    Escape(
        "gain rights by a setuid program",
        "cp \"$(command -v bash)\" sh && chmod u+s sh; su -c 'echo ESCAPED' 2>/dev/null; sudo -n echo ESCAPED 2>/dev/null; rm -f sh",
    ),
    Escape(
        "have capabilities",
        "grep -q '^CapEff:.*[1-9a-f]' /proc/self/status && echo ESCAPED; grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status && echo ESCAPED",
    ),
    Escape("be able to gain privileges", "grep -q '^NoNewPrivs:.*0' /proc/self/status && echo ESCAPED"),
    Escape("change the owner of a file", "touch own && chown 12345 own && echo ESCAPED; rm -f own"),
    Escape("make a device", "mknod null c 1 3 && echo ESCAPED; rm -f null"),
    Escape("kill a process of the host", "kill -9 {host_pid}; kill -9 -{host_pid}; exit 0"),
    Escape("kill the supervisor", "kill -9 1; kill -TERM 1; kill -INT 1; exit 0"),
    _libc("trace the supervisor", "print('ESCAPED' if libc.ptrace(16, 1, 0, 0) == 0 else 'refused')"),
    _libc(
        "trace a process of the host",
        "print('ESCAPED' if libc.ptrace(16, {host_pid}, 0, 0) == 0 else 'refused')",
    ),
    _python(
        "write into the supervisor's memory",
        "try:\n    open('/proc/1/mem', 'r+b'); print('ESCAPED')\nexcept OSError as e: print(e)",
    ),
    _python(
        "take the supervisor's descriptors",
        "import os\nfor n in range(64):\n    try:\n        os.open(f'/proc/1/fd/{{n}}', os.O_RDONLY); print('ESCAPED')\n    except OSError: pass",
    ),
    _python(
        "inject into the terminal",
        "import fcntl, termios\nfor path in ('/dev/tty', '/dev/console', '/dev/pts/0'):\n    try:\n"
        "        with open(path, 'wb') as t: fcntl.ioctl(t, termios.TIOCSTI, b'x'); print('ESCAPED')\n    except OSError as e: print(e)",
    ),
    _libc("use the kernel's keyrings", "print('ESCAPED' if libc.syscall(250, 0, -3, 1) >= 0 else 'refused')"),
    _libc(
        "load a BPF program",
        "print('ESCAPED' if libc.syscall(321, 0, ctypes.c_void_p(), 0) >= 0 or ctypes.get_errno() != 1 else 'refused')",
    ),
    _libc(
        "mount by the new interface",
        "print('ESCAPED' if libc.syscall(430, b'tmpfs', 0) >= 0 or ctypes.get_errno() != 1 else 'refused')",
    ),
    _libc(
        "open a file by handle",
        "print('ESCAPED' if libc.syscall(304, 3, ctypes.c_void_p(), 0) >= 0 or ctypes.get_errno() != 1 else 'refused')",
    ),
    _libc(
        "use calls of the 32-bit-pointer kind",
        "r = libc.syscall(0x40000000 + 39); print('ESCAPED' if r > 0 else 'refused')",
    ),
]

ESCAPES: list[Escape] = [*READS, *WRITES, *GIT, *PROTECTED, *NETWORK, *PRIVILEGES]
