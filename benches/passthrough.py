#!/usr/bin/env python3
"""What passing through costs: direct, nginx, haproxy and crm-undo in turn in front of the same upstream, in one run.

    ./tests/tools bench && cargo build --release && python3 benches/passthrough.py

Everything on loopback: wrk with 64 connections loads; an nginx of its own answers; each proxy has as many workers as
there are cores. Absolute figures say little on a shared machine; the ratios inside one run are what counts. Rounds are
interleaved, and the median of the rounds is shown. CPU is user + system time of the proxy's processes, per request.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = os.cpu_count() or 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, what):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"{what} does not listen on port {port}")


def start_nginx(folder, name, server, upstream=""):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    config = f"{folder}/{name}/nginx.conf"
    with open(config, "w") as file:
        file.write(f"""
worker_processes {CORES}; pid {folder}/{name}/pid; error_log {folder}/{name}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/{name}/b; proxy_temp_path {folder}/{name}/p;
fastcgi_temp_path {folder}/{name}/f; uwsgi_temp_path {folder}/{name}/u; scgi_temp_path {folder}/{name}/s;
{upstream}
server {{ {server} }} }}""")
    return subprocess.Popen(["nginx", "-p", f"{folder}/{name}", "-c", config, "-g", "daemon off;"])


def start_haproxy(folder, port, upstream):
    config = f"{folder}/haproxy.cfg"
    with open(config, "w") as file:
        file.write(f"""
global
    nbthread {CORES}
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 5s
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{upstream}
""")
    return subprocess.Popen(["haproxy", "-f", config], stderr=subprocess.DEVNULL)


def start_ours(folder, port, upstream):
    with open(f"{folder}/crm-undo.toml", "w") as file:
        file.write(f"""
data_dir = "{folder}/data"
[gateway]
listen = "127.0.0.1:{port}"
max_connections_per_address = 1024
[console]
listen = "127.0.0.1:0"
[archive]
min_free_bytes = 1
[[connections]]
name = "bench"
vendor = "amocrm"
upstream = "http://127.0.0.1:{upstream}"
requests_per_second = 0
""")
    binary = os.environ.get("CRM_UNDO", f"{ROOT}/target/release/crm-undo")
    return subprocess.Popen([binary, "serve", "--config", f"{folder}/crm-undo.toml"], stderr=subprocess.DEVNULL)


def family(pid):
    pids, found = [pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                pids += [int(child) for child in file.read().split()]
    return found


def cpu_seconds(pid):
    ticks = 0
    for member in family(pid):
        with open(f"/proc/{member}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/status") as file:
            total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    return total / 1024


def load(port, path, seconds, connections):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{path}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors: connect 0, read 0" not in out and "Socket errors" in out:
        sys.exit(f"the run is not clean:\n{out}")
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    latency = {}
    for share in ("50%", "99%"):
        number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", out).groups()
        latency[share] = float(number) * units[unit]
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return {"rate": rate, "requests": requests, "p50": latency["50%"], "p99": latency["99%"]}


def paced(folder, port, path, seconds, connections, rate):
    """Asks at a steady rate, whatever the answers take; the latencies in ms."""
    log = f"{folder}/paced.tsv"
    if os.path.exists(log):
        os.remove(log)
    command = ["h2load", "--h1", f"-c{connections}", "-t1", f"-D{seconds}", f"--rps={max(1, round(rate / connections))}", f"--log-file={log}"]
    subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    with open(log) as file:
        rows = [line.split("\t") for line in file]
    if any(row[1] != "200" for row in rows):
        sys.exit("the paced run is not clean")
    times = sorted(int(row[2]) / 1000 for row in rows)
    return {"rate": len(times) / seconds, "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


def half(folder, ports, path, arguments, most):
    """p99 that is added at half of what we pass at most."""
    runs = {name: [] for name in ports}
    for _ in range(arguments.rounds):
        for name, (port, _) in ports.items():
            runs[name].append(paced(folder, port, path, arguments.seconds, arguments.connections, most / 2))
    middle = {n: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for n, rs in runs.items()}
    print(f"\n2 KB answers at half of our rate, {arguments.connections} connections, median of {arguments.rounds} x {arguments.seconds} s")
    print(f"{'':10}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'added p99 ms':>14}")
    for name, run in middle.items():
        print(f"{name:10}{run['rate']:12.0f}{run['p50']:9.2f}{run['p99']:9.2f}{run['p99'] - middle['direct']['p99']:14.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    for tool in ("nginx", "haproxy", "wrk", "h2load"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing; ./tests/tools bench installs it")
    folder = tempfile.mkdtemp(prefix="crm-undo-bench-")
    os.chmod(folder, 0o755)  # nginx started by root reads its files as somebody else
    os.makedirs(f"{folder}/www/api/v4")
    row = json.dumps({"id": 2001, "name": "Anna Serova", "custom_fields_values": "x" * 1900})
    sizes = {"2 KB": ("/api/v4/contacts", row), "1 MB": ("/api/v4/leads", "[" + ",".join([row] * 512) + "]")}
    for path, body in sizes.values():
        with open(f"{folder}/www{path}", "w") as file:
            file.write(body)
    upstream = free_port()
    started = [start_nginx(folder, "upstream", f"""listen 127.0.0.1:{upstream} reuseport; root {folder}/www;
        default_type application/json; open_file_cache max=10; location / {{ }}""")]
    wait_for(upstream, "the upstream")
    ports = {"direct": (upstream, None)}
    port = free_port()
    proxied = f"""listen 127.0.0.1:{port} reuseport; location / {{ proxy_pass http://up; proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_buffering on; }}"""
    started.append(start_nginx(folder, "proxy", proxied, f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}"))
    ports["nginx"] = (port, started[-1])
    port = free_port()
    started.append(start_haproxy(folder, port, upstream))
    ports["haproxy"] = (port, started[-1])
    port = free_port()
    started.append(start_ours(folder, port, upstream))
    ports["crm-undo"] = (port, started[-1])
    try:
        for name, (port, _) in ports.items():
            wait_for(port, name)
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['crm-undo'][0]}/api/v4/contacts") as answer:
            assert answer.read().decode() == row, "crm-undo changed the answer"
        for size, (path, _) in sizes.items():
            runs = {name: [] for name in ports}
            for _ in range(arguments.rounds):
                for name, (port, process) in ports.items():
                    before = cpu_seconds(process.pid) if process else 0
                    run = load(port, path, arguments.seconds, arguments.connections)
                    run["cpu"] = (cpu_seconds(process.pid) - before) / run["requests"] * 1e6 if process else 0
                    run["memory"] = memory_mib(process.pid) if process else 0
                    runs[name].append(run)
            middle = {n: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for n, rs in runs.items()}
            print(f"\n{size} answers, {arguments.connections} connections, {CORES} cores, median of {arguments.rounds} x {arguments.seconds} s")
            print(f"{'':10}{'requests/s':>12}{'of nginx':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}{'of nginx':>10}{'MiB':>7}")
            for name, run in middle.items():
                of = run["rate"] / middle["nginx"]["rate"]
                cpu = f"{run['cpu']:9.1f}{run['cpu'] / middle['nginx']['cpu']:10.2f}{run['memory']:7.0f}" if run["cpu"] else ""
                print(f"{name:10}{run['rate']:12.0f}{of:10.2f}{run['p50']:9.2f}{run['p99']:9.2f}{cpu}")
            if size == "2 KB":
                half(folder, ports, path, arguments, middle["crm-undo"]["rate"])
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
