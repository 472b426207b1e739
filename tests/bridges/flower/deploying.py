"""Two federations of two SuperNodes, one after the other on the same ports, where there is only loopback.

Called as ``unshare -rn python deploying.py FOLDER``: the app is in FOLDER/app, and what happened is left in
FOLDER/told.json. The second federation has a malicious node.
"""

import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

BIN = Path(sys.executable).parent
LINK, PORT = "127.0.0.1:8000", 8000
NODE = ["--insecure", "--port"]
FEDLENS = "from fedlens.cli import main; main()"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # <linux/sockios.h>, <linux/if.h>
PROCESSES = 240.0
"""Seconds for a run; one of three rounds takes some 30 on a machine that does nothing else."""


def start(folder: Path, name: str, *words: str) -> tuple[subprocess.Popen[str], IO[str]]:
    """Start a program; what it prints goes into a file."""
    home = folder / f"home-{name}"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(f'[superlink.here]\naddress = "{LINK}"\ninsecure = true\n')
    env = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    env |= {"FLWR_HOME": str(home), "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]])}
    env["PYTHONDONTWRITEBYTECODE"] = (
        "1" if name.endswith("-run") else ""
    )  # for flwr run itself compiles the app's package
    output = (folder / f"{name}.txt").open("w+")
    child = subprocess.Popen(
        words, env=env, cwd=folder, stdout=output, stderr=output, start_new_session=True, text=True
    )
    return child, output


def federation(folder: Path, name: str, second: tuple[str, ...]) -> dict[str, Any]:
    """Play a federation; return exit codes, what was printed, and how many processes were left in the end."""
    link = start(folder, f"{name}-link", str(BIN / "flower-superlink"), *LINK_OPTIONS)
    wait_for(PORT)
    supernode = str(BIN / "flower-supernode")
    first = ("--superlink", LINK, "--node-config", "partition-id=0 num-partitions=2", *NODE, "9094")
    nodes = [start(folder, f"{name}-0", supernode, *first), start(folder, f"{name}-1", *second)]
    out = f'out="{folder / f"{name}.jsonl"}"'
    run = start(folder, f"{name}-run", str(BIN / "flwr"), "run", "app", "here", "--stream", "--run-config", out)
    try:
        run[0].wait(PROCESSES)
    finally:
        for (child, _), number in zip([*nodes, link], (signal.SIGINT, signal.SIGTERM, signal.SIGINT), strict=True):
            child.send_signal(number)
    codes = [child.wait(60) for child, _ in (run, *nodes, link)]
    deadline = time.monotonic() + 20
    while others() and time.monotonic() < deadline:
        time.sleep(0.2)
    texts = []
    for _, output in (run, *nodes, link):
        output.seek(0)
        texts.append(output.read())
        output.close()
    models = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return {"codes": codes, "texts": texts, "models": models, "left": others()}


LINK_OPTIONS = ("--insecure", "--host", "127.0.0.1", "--port", str(PORT), "--disable-runtime-dependency-installation")


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError


def others() -> list[str]:
    """All other processes that share this one's network."""
    here, found = Path("/proc/self/ns/net").readlink(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and (process / "ns/net").readlink() == here:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is somebody else's
            continue
    return [line for line in found if line]


def begin_loopback() -> None:
    """Do what ``ip link set lo up`` does, which not every machine has."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def main(folder: Path) -> None:
    """Play both."""
    begin_loopback()
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with socket.socket() as probe:
        assert probe.connect_ex(("192.0.2.7", 80)) == errno.ENETUNREACH
    config = ("--node-config", "partition-id=1 num-partitions=2", *NODE, "9095")
    honest = (str(BIN / "flower-supernode"), "--superlink", LINK, *config)
    node = ("flower", "node", "--superlink", LINK, "--attack", "mine:evil", "--app", "app", "--", *config)
    told = {
        "honest": federation(folder, "honest", honest),
        "evil": federation(folder, "evil", (sys.executable, "-c", FEDLENS, *node)),
    }
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
