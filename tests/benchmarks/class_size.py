"""How many people one server embeds images for: measure this machine, compare the simulation with it, and print tables.

python tests/benchmarks/class_size.py [--people 4] [--photos 25] [--think 2] [--tables]

A server with `tiny` runs in a process of its own. One person alone measures how long an image takes; then several work
at the same time, and the simulation, given the times of the person alone, should say how long they wait. `--tables`
prints the tables of `about/costs.md` without measuring; their times and prices are assumptions, stated there.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sam_widget.predictor.connection import Server
from sam_widget.predictor.served import connect
from sam_widget.serve.simulation import Habits, Machine, Outcome, most_people, simulated


def picture(number: int, photo: int) -> np.ndarray:
    """Return a photo of one person alone, (760, 1020, 3)."""
    pixels = np.random.default_rng([number, photo]).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    return np.kron(pixels, np.ones((19, 17, 1), dtype=np.uint8))


def timed(run: Callable[[], object]) -> float:
    """Return how long something takes, in seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def opened(server: Server, pixels: np.ndarray) -> float:
    """Return how long it takes to get the embedding of a photo."""
    return timed(lambda: server.embed("tiny", pixels, lambda *_: None))


def work(address: str, number: int, photos: int, think: float, waits: list[float]) -> None:
    """Open photos, one after the other, and note how long each takes."""
    chance, server = random.Random(number), Server(address)
    for photo in range(photos):
        pixels = picture(number, photo)
        time.sleep(chance.expovariate(1 / think))
        waits.append(opened(server, pixels))


def alone(address: str, number: int, photos: int) -> list[tuple[float, float]]:
    """Open photos alone; returns the seconds in which each was embedded, and those of all the rest.

    The rest is to write the photo as PNG, and what it takes to get an embedding that exists.
    """
    server, found = Server(address), []
    for photo in range(photos):
        pixels = picture(number, photo)
        whole, rest = opened(server, pixels), opened(server, pixels)
        rest += timed(lambda pixels=pixels: Image.fromarray(pixels).save(io.BytesIO(), "png", compress_level=3))
        found.append((max(whole - rest, 0.0), rest))
    return found


def measure(people: int, photos: int, think: float) -> None:
    """Compare the simulation with a real server."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sam_widget", "serve", "--no-store", "--quiet", "--device", "cpu"]
        environment = {**os.environ, "SAM_WIDGET_CACHE": folder, "SAM_WIDGET_TOKEN": "t" * 20}
        served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert served.stdout is not None
        try:
            address = served.stdout.readline().strip()
            connect(address)
            alone(address, 1000, 5)
            times = alone(address, 1001, photos)
            together: list[float] = []
            threads = [
                threading.Thread(target=work, args=(address, number, photos, think, together))
                for number in range(people)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            times += alone(address, 1002, photos)
        finally:
            served.terminate()
            served.wait()
    chance = random.Random(0)
    embedding, rest = np.array(times).T
    machine = Machine(seconds=lambda _: chance.choice(embedding), batch=1, pause=0.0)
    expected = simulated(people, machine, Habits(think=think, latency=float(rest.mean())), seconds=20_000)
    print(
        f"one person alone: embedding takes {embedding.mean():.3f} s (95%: {np.quantile(embedding, 0.95):.3f} s), the "
        f"rest {rest.mean():.3f} s"
    )
    for name, waits in (("measured", np.array(together)), ("simulated", expected.waits)):
        print(
            f"{people} people, {think:g} s of work on a photo, {name}: median {np.median(waits):.3f} s, "
            f"mean {waits.mean():.3f} s, 95% {np.quantile(waits, 0.95):.3f} s ({len(waits)} photos)"
        )


@dataclass(frozen=True)
class Gpu:
    """An assumption about a GPU; see `about/costs.md` for where it is from.

    Attributes:
        name: Its name, and the model.
        first: Seconds for a batch of one image.
        more: Seconds for each further image.
        everything: Seconds for everything mode on a photo.
        price: Dollars for an hour.
    """

    name: str
    first: float
    more: float
    everything: float
    price: float

    def machine(self, servers: int = 1) -> Machine:
        """Return it, so many times."""
        return Machine(seconds=lambda size: self.first + self.more * (size - 1), servers=servers)


# ViT-H takes about 0.15 s for an image on an A100, as the FAQ of segment-anything.com says; the others are guesses.
GPUS = (
    Gpu("A100, vit_h", 0.15, 0.12, 3.0, 2.0),
    Gpu("A100, vit_b", 0.05, 0.03, 1.5, 2.0),
    Gpu("L4, vit_h", 0.45, 0.40, 8.0, 0.8),
    Gpu("L4, vit_b", 0.14, 0.10, 4.0, 0.8),
)
EMBEDDING_MB, PNG_MB, CLASS, ANNOTATORS = 2.1, 1.5, Habits(think=120, known=0.8, latency=0.4), Habits(think=30)


def tables() -> None:
    """Print the tables of the documentation."""
    print("| GPU and model | people in a class | annotators |\n|---|---|---|")
    for gpu in GPUS:
        most = [most_people(gpu.machine(), habits, limit=2.0, seconds=4000) for habits in (CLASS, ANNOTATORS)]
        print(f"| {gpu.name} | {most[0]:,} | {most[1]:,} |")
    print(
        "\n| annotators, vit_h on A100 | GPUs | busy | 95% of waits | $ an hour | GB an hour |"
        "\n|---|---|---|---|---|---|"
    )
    for people in (10, 100, 1000):
        count, found = fewest(GPUS[0], people)
        traffic = people * 3600 / (ANNOTATORS.think + found.waits.mean()) * (EMBEDDING_MB + PNG_MB) / 1000
        print(
            f"| {people:,} | {count} | {found.busy:.0%} | {found.p95:.2f} s | {count * GPUS[0].price:.2f} | "
            f"{traffic:,.0f} |"
        )
    print("\n| a million photos | embed: GPU hours | $ | everything: GPU hours | $ |\n|---|---|---|---|---|")
    for gpu in GPUS:
        embed, everything = (10**6 * seconds / 3600 for seconds in (gpu.more, gpu.everything))
        print(
            f"| {gpu.name} | {embed:,.0f} | {embed * gpu.price:,.0f} "
            f"| {everything:,.0f} | {everything * gpu.price:,.0f} |"
        )


def fewest(gpu: Gpu, people: int) -> tuple[int, Outcome]:
    """Return how many GPUs keep 95% of the waits within two seconds."""
    count = 1
    while (found := simulated(people, gpu.machine(count), ANNOTATORS, seconds=4000)).p95 > 2.0:
        count += 1
    return count, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--photos", type=int, default=25)
    parser.add_argument("--think", type=float, default=2.0)
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    if given.tables:
        tables()
    else:
        measure(given.people, given.photos, given.think)


if __name__ == "__main__":
    main()
