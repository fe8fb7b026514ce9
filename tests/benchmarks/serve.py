"""Measure `sam-widget serve`, as a process of its own, on one machine: waits, bytes, turns, and what it holds on to.

Users click as people do, about every three seconds: in processes of their own if they decode, as on laptops, and
else in threads. On one machine they share the processor, so only ratios of alternating rounds mean something. The
slow link is a proxy that delays, throttles and counts.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
import numpy as np
import torch
from websockets.sync.client import connect as websocket

import sam_widget as sw
from sam_widget.predictor.embeddings import EmbeddingCache
from tests.benchmarks.slow_link import slow_link
from tests.serving import process

USERS, CLICKS, ROUNDS = 8, 5, 4
# Mean pause between the clicks of a person, and of one who is alone.
THINK_SECONDS, ALONE_SECONDS = 3.0, 0.3
EVERYONE = 30
# Of the soak: requests, and those before the first look.
REQUESTS, WARM_UP = 2000, 300


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return float(np.percentile(values, 95))


def row(what: str, *values: object) -> None:
    """Print a row of the table."""
    print(f"| {what} | {' | '.join(map(str, values))} |", flush=True)


class Class:
    """People with tokens, and their connections to a server."""

    def __init__(self, address: str) -> None:
        self.address = address

    def connect(self, number: int, *, thin: bool = False, address: str = "") -> Any:
        found = sw.connect(f"{address or self.address}?token={token(number)}", thin=thin)
        if not thin:
            found.cache = EmbeddingCache()
        return found


def token(number: int) -> str:
    return f"user-{number:02}-0123456789"


def times_of(predictor: Any, embedding: Any, each: int, seed: int, pause: float) -> list[float]:
    """Click with pauses, in seconds on average; returns the milliseconds of each click."""
    torch.set_num_threads(1)
    rng, times = np.random.default_rng(seed), []
    height, width = embedding.image_size
    for _ in range(each):
        time.sleep(rng.exponential(pause))
        point = (rng.uniform(1, width - 1), rng.uniform(1, height - 1))
        start = time.perf_counter()
        found = predictor.predict(embedding, points=[point])
        found.stored_mask(found.best)
        times.append(1000 * (time.perf_counter() - start))
    return times


def clicks(users: list[tuple[Any, Any]], each: int, seed: int) -> list[float]:
    """Let users of this process click at the same time, with pauses; returns the milliseconds of each click."""
    pause = ALONE_SECONDS if len(users) == 1 else THINK_SECONDS

    def work(number: int) -> list[float]:
        return times_of(*users[number], each, 100 * seed + number, pause)

    with ThreadPoolExecutor(len(users)) as pool:
        return [one for times in pool.map(work, range(len(users))) for one in times]


def laptop(pipe: Connection, address: str, number: int, photo: np.ndarray) -> None:
    """Be a user with a process of their own, as on a laptop: click as often as told, until told None."""
    predictor = Class(address).connect(number)
    embedding = predictor.embed(photo)
    pipe.send([])
    while (told := pipe.recv()) is not None:
        pipe.send(times_of(predictor, embedding, *told))


def told(laptops: list[Connection], each: int, seed: int, pause: float) -> list[float]:
    """Let laptops click at the same time; returns the milliseconds of each click."""
    for number, pipe in enumerate(laptops):
        pipe.send((each, 100 * seed + number, pause))
    return [one for pipe in laptops for one in pipe.recv()]


def many_users(people: Class, photo: np.ndarray) -> None:
    """Compare the clicks of one user and of eight."""
    spawn, laptops = multiprocessing.get_context("spawn"), []
    for number in range(USERS):
        ours, theirs = spawn.Pipe()
        spawn.Process(target=laptop, args=(theirs, people.address, number, photo), daemon=True).start()
        laptops.append(ours)
    for pipe in laptops:
        pipe.recv()
    told(laptops, 2, 99, ALONE_SECONDS)
    compared(
        "on the laptop",
        lambda turn: told(laptops[:1], CLICKS * USERS // 2, turn, ALONE_SECONDS),
        lambda turn: told(laptops, CLICKS, turn, THINK_SECONDS),
    )
    for pipe in laptops:
        pipe.send(None)
    predictors = [people.connect(number, thin=True) for number in range(USERS)]
    users = [(predictor, predictor.embed(photo)) for predictor in predictors]
    clicks(users, 2, 99)
    compared(
        "at the server",
        lambda turn: clicks(users[:1], CLICKS * USERS // 2, turn),
        lambda turn: clicks(users, CLICKS, turn),
    )


def compared(where: str, alone: Callable[[int], list[float]], together: Callable[[int], list[float]]) -> None:
    """Print the ratio of alternating rounds."""
    one: list[float] = []
    many: list[float] = []
    for turn in range(ROUNDS):
        one += alone(turn)
        many += together(turn)
    row(
        f"click decoded {where}: p95 of {USERS} users / of one",
        f"{p95(many):.0f} / {p95(one):.0f} ms = {p95(many) / p95(one):.2f}",
    )
    row(f"click decoded {where}: medians", f"{statistics.median(many):.0f} / {statistics.median(one):.0f} ms")


def one_photo(people: Class, photo: np.ndarray) -> None:
    """Count the embeddings of a photo that everyone opens."""
    before = embedded(people)
    with ThreadPoolExecutor(EVERYONE) as pool:
        predictors = [people.connect(number) for number in range(EVERYONE)]
        start = time.perf_counter()
        list(pool.map(lambda predictor: predictor.embed(photo), predictors))
    row(f"embeddings for {EVERYONE} users on one photo", embedded(people) - before)
    row("until all of them have it", f"{time.perf_counter() - start:.1f} s")


def turns(people: Class) -> None:
    """Let users send different photos at the same time, one of them three times as many."""
    counts = [12, 4, 4, 4, 4]
    waits: list[list[float]] = [[] for _ in counts]
    rng = np.random.default_rng(5)
    photos = [[rng.integers(0, 255, (384, 384, 3), dtype=np.uint8) for _ in range(count)] for count in counts]
    begin = threading.Barrier(sum(counts))

    def send(who: int, index: int) -> None:
        predictor = people.connect(who)
        begin.wait()
        start = time.perf_counter()
        predictor.embed(photos[who][index])
        waits[who].append(time.perf_counter() - start)

    with ThreadPoolExecutor(sum(counts)) as pool:
        list(pool.map(lambda pair: send(*pair), [(who, k) for who, count in enumerate(counts) for k in range(count)]))
    equal = [statistics.mean(one) for one in waits[1:]]
    row("mean wait of users with 4 photos each: longest / shortest", f"{max(equal) / min(equal):.2f}")
    row(
        "mean wait of a user with 12 photos / of the others",
        f"{statistics.mean(waits[0]) / statistics.mean(equal):.2f}",
    )


def far_away(people: Class, photo: np.ndarray) -> None:
    """Click over 1 Mbit/s and 100 ms."""
    port = int(people.address.rstrip("/").rpartition(":")[2])
    with slow_link(port, bits_per_second=1e6, delay=0.05) as link:
        address = f"http://127.0.0.1:{link.port}/"
        near, far = people.connect(0), people.connect(0, address=address)
        before, start = link.bytes, time.perf_counter()
        there = far.embed(photo)
        row(
            "1 Mbit/s, 100 ms: first embedding",
            f"{time.perf_counter() - start:.1f} s, {(link.bytes - before) / 1e3:.0f} kB",
        )
        here = near.embed(photo)
        times: tuple[list[float], list[float]] = ([], [])
        before = link.bytes
        for turn in range(ROUNDS):
            for index, user in enumerate(((near, here), (far, there))):
                times[index].extend(clicks([user], CLICKS, turn))
        ratio = statistics.median(times[1]) / statistics.median(times[0])
        row("click decoded on the laptop: slow link / loopback", f"{ratio:.2f}, {link.bytes - before} bytes")
        thin = people.connect(0, thin=True, address=address)
        remote = thin.embed(photo)
        sizes, waits = [], []
        rng = np.random.default_rng(7)
        for _ in range(40):
            before, start = link.bytes, time.perf_counter()
            thin.predict(remote, points=[rng.uniform(5, 290, 2)])
            waits.append(1000 * (time.perf_counter() - start))
            sizes.append(link.bytes - before)
        row("click decoded at the server over it", f"{statistics.median(waits):.0f} ms")
        row("its bytes, both ways: median, 95%", f"{statistics.median(sizes):,.0f}, {p95(sizes):,.0f}")


def soak(people: Class, photo: np.ndarray, pid: int) -> None:
    """Send 2,000 requests of all kinds, and look what the server holds on to."""
    predictor = people.connect(0, thin=True)
    embedding = predictor.embed(photo)
    good = json.dumps({"id": 1, "model": "tiny", "hash": embedding.digest, "points": [[50, 50]], "packed": True})
    own, wrong = {"Authorization": f"Bearer {token(0)}"}, {"Authorization": "Bearer wrong"}
    kinds: list[Callable[[httpx.Client], httpx.Response]] = [
        lambda http: http.get(f"v1/embeddings/{embedding.digest}?model=tiny", headers=own),
        lambda http: http.get(
            f"v1/embeddings/{embedding.digest}?model=tiny", headers={"Authorization": f"Bearer {token(1)}"}
        ),
        lambda http: http.post("v1/embeddings?model=tiny", json={"hash": embedding.digest}, headers=own),
        lambda http: http.post("v1/embeddings?model=tiny", content=b"no image" * 5000, headers=own),
        lambda http: http.get("v1/models", headers=wrong),
        lambda http: http.get("v1/decoders/tiny", headers=own),
        lambda http: http.get("metrics", headers=own),
    ]
    messages = [good, "{" * 1000]
    statuses: dict[int, int] = {}

    def some(count: int) -> None:
        # A connection for every fifty, as people come and go.
        for start in range(0, count, 50):
            http = httpx.Client(base_url=people.address, timeout=60, trust_env=False)
            with http, websocket(f"{people.address.replace('http', 'ws')}v1/predict", additional_headers=own) as line:
                for number in range(start, start + 50):
                    which = number % (len(kinds) + len(messages))
                    if which < len(kinds):
                        status = kinds[which](http).status_code
                    else:
                        line.send(messages[which - len(kinds)])
                        status = json.loads(line.recv()).get("status", 200)
                    statuses[status] = statuses.get(status, 0) + 1

    some(WARM_UP)
    before = held(pid)
    some(REQUESTS)
    time.sleep(1)
    after = held(pid)
    row(f"{REQUESTS:,} requests", ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items())))
    for name, unit in (("memory", " MB"), ("threads", ""), ("files", "")):
        row(f"{name} before and after", f"{before[name]}{unit}, {after[name]}{unit}")


def held(pid: int) -> dict[str, int]:
    """Return the memory of a process in MB, and the numbers of its threads and of its open files."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {"memory": int(rows["VmRSS"].split()[0]) // 1000, "threads": int(rows["Threads"]), "files": files}


def embedded(people: Class) -> int:
    """Return how many images the server has embedded."""
    reply = httpx.get(f"{people.address}metrics", params={"token": token(0)}, trust_env=False)
    found = [line for line in reply.text.splitlines() if line.startswith("sam_widget_images_embedded ")]
    return int(float(found[0].split()[1]))


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    photo = sw.sample("cat")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = folder / "class.txt"
        people.write_text("".join(f"user{number} {token(number)}\n" for number in range(EVERYONE)), encoding="utf-8")
        with process(folder, "--people", str(people), "--no-store", "--quiet", OMP_NUM_THREADS="1") as (
            server,
            address,
        ):
            room = Class(address)
            row("measure", "result")
            row("---", "---")
            one_photo(room, photo)
            turns(room)
            far_away(room, sw.sample("coffee"))
            many_users(room, photo)
            soak(room, photo, server.pid)


if __name__ == "__main__":
    main()
