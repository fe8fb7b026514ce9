"""Measure hovering: masks painted per second, and their age, in a real Chromium with a real JupyterLab.

Measured inside the page. A mask's age is the time since the page asked for it, which it does for where the pointer is.
It cannot be less than a decode and the floor: what an empty message takes to the kernel and back. Then 6,000 pointer
events at once, with a click at the end: is what is left what was meant, and does the kernel answer?
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.page import STOCK, opened
from tests.browser.lab import Notebook

# Notes when previews are asked for and when their masks arrive, whatever the protocol of the websocket.
WATCH = """
window.sent = []
window.arrived = []
const decoder = new TextDecoder(), text = data => typeof data === 'string' ? data : decoder.decode(data)
const send = WebSocket.prototype.send
const open = window.WebSocket
window.WebSocket = class extends open {
    constructor(...args) {
        super(...args)
        this.addEventListener('message', ({data}) => {
            if (text(data).includes('"preview_mask"')) arrived.push(sent.at(-1))
        })
    }
    send(data) {
        if (text(data).includes('"preview"')) sent.push(performance.now())
        return super.send(data)
    }
}"""
# Moves the pointer at every frame; returns, for each mask painted, when, how old it was, and how old the one before it.
MOVE = """async seconds => {
    const canvas = document.querySelector('.sam-widget [role=application]')
    const box = canvas.getBoundingClientRect()
    const pen = canvas.querySelector('[data-layer=hover]').getContext('2d')
    const painted = []
    let shown = null
    pen.clearRect = (...args) => {
        CanvasRenderingContext2D.prototype.clearRect.apply(pen, args)
        const asked = arrived.at(-1)
        if (asked === undefined || asked === shown) return
        const now = performance.now()
        painted.push([now, now - asked, shown === null ? null : now - shown])
        shown = asked
    }
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve))
    const start = await frame()
    let frames = 0
    for (let now = start; now - start < 1000 * seconds; now = await frame(), frames++) {
        const t = (now - start) / 1000
        const [x, y] = [0.5 + 0.4 * Math.sin(1.1 * t), 0.5 + 0.4 * Math.sin(1.7 * t + 1)]
        canvas.dispatchEvent(new PointerEvent('pointermove', {clientX: box.x + x * box.width, pointerType: 'mouse',
            clientY: box.y + y * box.height, bubbles: true, composed: true, pointerId: 1, isPrimary: true, button: -1}))
    }
    delete pen.clearRect
    return {frames, painted}
}"""
# Everything at once, as after a page has been held up; the click is at the end.
BURST = """async count => {
    const canvas = document.querySelector('.sam-widget [role=application]')
    const box = canvas.getBoundingClientRect()
    const fire = (type, x, y, more) => canvas.dispatchEvent(new PointerEvent(type, {clientX: box.x + x * box.width,
        clientY: box.y + y * box.height, pointerType: 'mouse', bubbles: true, composed: true, pointerId: 1,
        isPrimary: true, button: -1, ...more}))
    const to = (i, step) => 0.1 + 0.8 * ((i * step) % 1)
    for (let i = 0; i < count - 2; i++) fire('pointermove', to(i, 0.618), to(i, 0.324))
    fire('pointerdown', 0.6, 0.5, {button: 0, buttons: 1})
    fire('pointerup', 0.6, 0.5, {button: 0, buttons: 0})
}"""
SECONDS = 8
EVENTS = 6000


def measure(name: str, options: tuple[str, ...], *, model: str) -> None:
    """Hover in a fresh JupyterLab, and print the results."""
    with opened(options, model=model, script=WATCH) as view:
        page = view.page
        view.hover(on=True)
        page.evaluate(MOVE, 1)
        # Before and after: what else a machine does changes from one moment to the next.
        floors, decodes = [view.floor()], [view.decode()]
        moved = page.evaluate(MOVE, SECONDS)
        floor, decode = statistics.mean([*floors, view.floor()]), statistics.mean([*decodes, view.decode()])
        painted = moved["painted"]
        ages = sorted(age for _, age, _ in painted)
        oldest = sorted(age for _, _, age in painted if age is not None)
        least = decode + floor
        print(f"{name}: decode {decode:.1f} ms, floor {floor:.1f} ms, {moved['frames'] / SECONDS:.0f} frames a second")
        print(f"  masks painted a second       {len(painted) / SECONDS:>8.1f}")
        print(f"  age of a mask when painted   {_line(ages, least)}")
        print(f"  no older than 1.5 times that {sum(age <= 1.5 * least for age in ages) / len(ages):>8.0%}")
        print(f"  and when the next one is     {_line(oldest, least)}")
        _burst(view.notebook)


def _burst(notebook: Notebook) -> None:
    start = time.perf_counter()
    notebook.page.evaluate(BURST, EVENTS)
    notebook.expect_state("ready")
    notebook.page.wait_for_function("() => document.querySelectorAll('.sam-candidate').length === 3")
    settled = time.perf_counter() - start
    start = time.perf_counter()
    points = notebook.run_cell("print([(p.x, p.y, p.label) for p in w.prompt.points])").strip()
    answered = time.perf_counter() - start
    right = notebook.run_cell("print(abs(w.prompt.points[0].x - 614.4) < 2 and len(w.prompt.points) == 1)").strip()
    print(f"  {EVENTS} events, then a click    settled after {settled:.2f} s, a cell answers in {answered:.2f} s, ")
    print(f"  the prompt is {points}: {'right' if right == 'True' else 'WRONG'}")


def _line(ages: list[float], least: float) -> str:
    median, high = statistics.median(ages), ages[int(len(ages) * 0.95)]
    return f"{median:>8.1f} ms {high:>8.1f} ms (95%), {median / least:.2f} and {high / least:.2f} of decode + floor"


def main() -> None:
    """Measure with the package's server extension, and with `--stock` without it, too."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    model = arguments[0] if arguments else "tiny"
    if "--stock" in sys.argv:
        measure("stock server", STOCK, model=model)
    measure("with the server extension", (), model=model)


if __name__ == "__main__":
    main()
