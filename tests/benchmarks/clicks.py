"""Measure the wait for a click, from pointer-up to painted mask, in a real Chromium with a real JupyterLab.

Three kinds of click. As a person makes it: the pointer moves there, a button is pressed for 80 ms and let go, with
hovering on as it is at first; the same with hovering off; and pressed and let go in the same moment, where nothing was
asked before. The first two are real input events, whose time stamp is where the measure begins. It ends with the frame
in which the mask of the click has been painted where the prompt's mask belongs.

What is painted first is the answer to the press, if that is there; the session's answer, with candidates and scores,
comes behind it, and its time is measured, too. Both are compared with a decode, and with the floor: the
round trip of an empty message to the kernel.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.page import STOCK, Opened, opened

CLICKS = 25
WARM_UP = 3
PRESS_SECONDS = 0.08
# Waits for the next pointer-up, and then for the end of the first frame with its mask and for the session's answer.
WATCH = """() => {
    const root = document.querySelector('.sam-widget'), canvas = root.querySelector('[role=application]')
    const layer = canvas.querySelector('[data-layer=masks]'), pen = layer.getContext('2d')
    window.clicked = new Promise((resolve, reject) => {
        const found = {}
        setTimeout(() => reject(new Error(`within 60 s of a click there was only ${JSON.stringify(found)}`)), 60_000)
        const done = () => found.painted !== undefined && found.answered !== undefined && resolve(found)
        canvas.addEventListener('pointerup', event => {
            const before = Number(root.dataset.seq)
            pen.putImageData = (...args) => {
                CanvasRenderingContext2D.prototype.putImageData.apply(pen, args)
                delete pen.putImageData
                // A message to oneself is delivered when the frame is over.
                const channel = new MessageChannel()
                channel.port1.onmessage = () => { found.painted = performance.now() - event.timeStamp; done() }
                channel.port2.postMessage(null)
            }
            new MutationObserver((_, observer) => {
                if (Number(root.dataset.seq) <= before) return
                observer.disconnect()
                found.answered = performance.now() - event.timeStamp
                done()
            }).observe(root, {attributes: true, attributeFilter: ['data-seq']})
        }, {capture: true, once: true})
    })
}"""
# Presses and lets go in one task.
AT_ONCE = """([x, y]) => {
    const canvas = document.querySelector('.sam-widget [role=application]'), box = canvas.getBoundingClientRect()
    const at = {clientX: box.x + x * box.width, clientY: box.y + y * box.height, bubbles: true, composed: true,
                pointerId: 1, isPrimary: true, pointerType: 'mouse', button: 0}
    canvas.dispatchEvent(new PointerEvent('pointerdown', {...at, buttons: 1}))
    canvas.dispatchEvent(new PointerEvent('pointerup', {...at, buttons: 0}))
}"""


def click(view: Opened, x: float, y: float, *, held: bool) -> dict[str, float]:
    """Click at relative coordinates of the photo, and return the milliseconds until painted and answered."""
    page = view.page
    page.evaluate(WATCH)
    if held:
        box = view.notebook.widget.get_by_role("application", name="Image").bounding_box()
        assert box
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        page.mouse.down()
        # A person's hand, not a wait.
        time.sleep(PRESS_SECONDS)
        page.mouse.up()
    else:
        page.evaluate(AT_ONCE, [x, y])
    found: dict[str, float] = page.evaluate("window.clicked")
    view.notebook.expect_state("ready")
    view.notebook.widget.get_by_role("button", name="Clear").click()
    view.notebook.expect_state("ready")
    return found


def measure(name: str, options: tuple[str, ...], *, model: str, size: tuple[int, int]) -> None:
    """Click around in a fresh JupyterLab, and print medians and 95th percentiles."""
    with opened(options, model=model, size=size) as view:
        floor, decode = view.floor(), view.decode()
        print(f"{name}: decode {decode:.1f} ms, floor {floor:.1f} ms")
        for kind, hovers, held in (
            ("moved there, held 80 ms, hover on", True, True),
            ("moved there, held 80 ms, hover off", False, True),
            ("pressed and let go at once, hover off", False, False),
        ):
            view.hover(on=hovers)
            every: list[dict[str, Any]] = []
            for k in range(CLICKS + WARM_UP):
                place = (0.15 + 0.7 * (k * 0.618 % 1), 0.15 + 0.7 * (k * 0.324 % 1))
                every.append(click(view, *place, held=held))
            for what in ("painted", "answered"):
                times = sorted(one[what] for one in every[WARM_UP:])
                median, high = statistics.median(times), times[int(len(times) * 0.95)]
                print(f"  {kind:<38}{what:<9}{median:>8.1f} ms{high:>8.1f} ms (95%), decode {median - decode:+.1f} ms")


def main() -> None:
    """Measure with the package's server extension, and with `--stock` without it, too; `--large`: 100 megapixels."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    model = arguments[0] if arguments else "tiny"
    size = (11_600, 8_700) if "--large" in sys.argv else (1024, 768)
    print(f"pointer-up to painted mask and to the session's answer, {size[0]} x {size[1]}: median and 95%")
    if "--stock" in sys.argv:
        measure("stock server", STOCK, model=model, size=size)
    measure("with the server extension", (), model=model, size=size)


if __name__ == "__main__":
    main()
