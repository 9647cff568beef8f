"""Python's concurrent.futures.ProcessPoolExecutor, as a contender: see contender.h."""
import sys
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2


def echo(payload):
    return payload


def run_round(pool, window, milliseconds, size):
    payload = bytes(size)
    latencies = []
    ended = 0
    begin = time.monotonic_ns()
    until = begin + milliseconds * 1_000_000
    flights = deque((time.monotonic_ns(), pool.submit(echo, payload)) for _ in range(window))
    while flights:
        start, future = flights.popleft()
        if len(future.result()) != size:
            sys.exit("process_pool_executor: wrong result")
        now = time.monotonic_ns()
        latencies.append(now - start)
        ended += 1
        if now < until:
            flights.append((time.monotonic_ns(), pool.submit(echo, payload)))
    elapsed = time.monotonic_ns() - begin
    latencies.sort()
    return ended, elapsed, latencies[ended // 2], latencies[min(ended - 1, ended * 99 // 100)]


def main():
    with ProcessPoolExecutor(WORKERS) as pool:
        for line in sys.stdin:
            window, milliseconds, size = map(int, line.split())
            print(*run_round(pool, window, milliseconds, size), flush=True)


if __name__ == "__main__":
    main()
