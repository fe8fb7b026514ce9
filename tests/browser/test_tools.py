"""Each tool in a real JupyterLab, used as a person uses it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.hand import Hand
from tests.browser.view import FACE, Open
from tests.waiting import at_most

POINTS = "[(round(p.x), round(p.y), p.label) for p in w.prompt.points]"
BOXES = "[tuple(round(v) for v in b.corners) for b in w.prompt.boxes]"
LINES = "[(s.label, s.closed, tuple(round(v) for v in s.box)) for s in w.prompt.strokes]"


def test_points_and_corners_are_dragged_selected_and_deleted(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    view.click(*FACE)
    view.click(30, 60, modifiers=["Alt"])
    view.drag(90, 65, 285, 235)
    masks = [c["mask"] for c in hand.ask("w.state['candidates']")]

    hand.stroke(FACE, (200, 160))
    hand.stroke((285, 235), (310, 250))
    assert hand.ask(POINTS) == [(200, 160, 1), (30, 60, 0)]
    assert hand.ask(BOXES) == [(90, 65, 310, 250)]
    assert not set(masks) & {c["mask"] for c in hand.ask("w.state['candidates']")}

    # A click on a point selects it and adds none; arrows move it, and that is one edit.
    hand.view.canvas.click(position=view.position(200, 160))
    expect(view.root.get_by_text("Foreground point 1 at 200, 160")).to_be_visible()
    before = view.seq
    view.page.keyboard.down("Shift")
    for _ in range(2):  # Held down, a key goes down again and again.
        view.page.keyboard.down("ArrowRight")
    view.page.keyboard.up("ArrowRight")
    view.page.keyboard.up("Shift")
    view.wait_past(before)
    assert hand.ask(POINTS)[0] == (220, 160, 1)
    view.press("Control+z")
    assert hand.ask(POINTS)[0] == (200, 160, 1)

    hand.press("n")
    expect(view.root.get_by_text("Background point 2 at 30, 60")).to_be_visible()
    view.press("Delete")
    assert hand.ask(POINTS) == [(200, 160, 1)]
    hand.press("Shift+n")
    expect(view.root.get_by_text("Box 1 at 200, 157")).to_be_visible()
    hand.click(view.button("Delete"))
    assert hand.ask(BOXES) == []
    hand.press("n")
    hand.press("Escape")
    expect(view.button("Delete")).to_be_hidden()
    assert hand.ask(POINTS) == [(200, 160, 1)], "Escape takes the selection away, not the prompt"


def test_several_boxes_make_one_object(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    hand.tool("Box")
    view.drag(100, 70, 180, 160)
    view.root.get_by_role("checkbox", name="Several boxes").check()
    view.drag(290, 90, 360, 190)
    assert hand.ask(BOXES) == [(100, 70, 180, 160), (290, 90, 360, 190)]
    view.root.get_by_role("checkbox", name="Several boxes").uncheck()
    view.page.keyboard.down("Shift")
    view.drag(20, 20, 60, 60)
    view.page.keyboard.up("Shift")
    assert len(hand.ask(BOXES)) == 3
    assert hand.ask("bool(w.chosen.mask[:, :185].any() and w.chosen.mask[:, 290:].any())")
    view.drag(10, 10, 200, 200)
    assert hand.ask(BOXES) == [(10, 10, 200, 200)]


def test_the_brush_adds_erases_and_refines(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    view.click(*FACE)
    hand.tool("Brush")
    view.root.get_by_role("slider", name="Brush size").fill("40")
    hand.stroke((420, 20), (440, 20))
    assert hand.ask("bool(w.chosen.mask[20, 415:445].all())")
    scale, *_ = view.look()
    assert abs(hand.ask("w.session.state.strokes[0].radius") * scale - 20) < 0.1, "its size is that on the screen"

    hand.radio("Mode", "Erase")
    hand.stroke(FACE, (176, 131))
    assert not hand.ask("bool(w.chosen.mask[125:136, 170:181].any())")
    hand.press("x")
    expect(view.root.get_by_role("radio", name="Add")).to_be_checked()
    hand.press("]")
    expect(view.root.get_by_role("slider", name="Brush size")).to_have_value("50")

    # By keyboard: a dab where the cursor is.
    for _ in range(3):
        hand.press("Shift+ArrowDown")
    view.press("Enter")
    assert hand.ask("len(w.session.state.strokes)") == 3
    assert hand.ask("bool(w.chosen.mask[180, 225])")

    hand.click(view.button("Refine"))
    assert hand.ask("w.prompt.mask.shape, len(w.session.state.strokes), len(w.prompt.points)") == ((96, 96), 0, 1)
    view.press("Control+z")
    view.press("Enter")
    expect(view.objects).to_have_count(1)
    assert hand.ask("bool(w.objects[0].mask[20, 430] and not w.objects[0].mask[130, 175])")

    # Without a mask to paint on, a stroke is a scribble prompt.
    hand.stroke((100, 60), (140, 90))
    assert hand.ask(LINES) == [(1, False, (100, 60, 140, 90))]
    expect(view.candidates).to_have_count(3)


def test_the_lasso_encloses_and_scribbles(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    hand.press("l")
    hand.stroke((95, 60), (290, 60), (290, 240), (95, 240), (95, 80))
    assert hand.ask(LINES) == [(1, True, (95, 60, 290, 240))]
    expect(view.candidates).to_have_count(3)
    assert hand.ask("bool(w.chosen.mask[60:240, 95:290].sum() > 0.8 * w.chosen.mask.sum())")

    hand.radio("Line", "Scribble")
    hand.radio("Mode", "Erase")
    hand.stroke((100, 200), (130, 230))
    assert hand.ask(LINES)[1] == (0, False, (100, 200, 130, 230))

    hand.radio("Line", "Lasso")
    hand.radio("Mode", "Add")
    before = view.seq
    for at in ((300, 20), (400, 20), (350, 90), (300, 20)):
        view.canvas.click(position=view.position(*at))
    view.wait_past(before)
    assert hand.ask(LINES)[2] == (1, True, (300, 20, 400, 90))

    hand.tool("Point")
    view.canvas.click(position=view.position(350, 20))
    expect(view.root.get_by_text("Lasso 3 at")).to_be_visible()
    view.press("Delete")
    assert len(hand.ask(LINES)) == 2

    # By keyboard: corners with Enter, and Enter once more closes.
    view.press("Escape")
    hand.press("l")
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp", "Shift+ArrowRight"):
        for _ in range(4):
            hand.press(key)
        hand.press("Enter")
    view.press("Enter")
    assert [line[:2] for line in hand.ask(LINES)] == [(1, True)]


def test_a_mask_is_cut_and_tidied_with_sliders(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    view.drag(90, 65, 285, 235)
    area = hand.ask("int(w.chosen.mask.sum())")
    undos = hand.ask("w.session.position")
    view.root.get_by_role("button", name="Mask settings").click()
    slider = view.root.get_by_role("slider", name="Threshold")
    box = slider.bounding_box()
    assert box
    before = view.seq
    hand.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hand.mouse.down()
    hand.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=6)
    hand.mouse.up()
    view.wait_past(before)
    threshold = hand.ask("w.session.state.settings.threshold")
    assert 0.5 < threshold < 1.7
    assert hand.ask("int(w.chosen.mask.sum())") < area
    assert hand.ask("w.session.position") == undos + 1, "one drag of a slider is one edit"

    for name, field in (("Fill holes", "holes"), ("Drop islands", "islands"), ("Smoothing", "smoothing")):
        before = view.seq
        view.root.get_by_role("slider", name=name).press("End")
        view.wait_past(before)
        assert hand.ask(f"w.session.state.settings.{field}") > 0
    assert hand.ask("__import__('scipy.ndimage').ndimage.label(w.chosen.mask)[1]") == 1
    hand.click(view.button("Reset"))
    assert hand.ask("int(w.chosen.mask.sum())") == area
    expect(view.button("Reset")).to_be_disabled()
    described = view.candidates.first.get_attribute("aria-describedby")
    expect(view.root.locator(f"#{described}")).to_contain_text("stable 0.")


def test_objects_are_edited_merged_subtracted_and_recoloured(notebook: Open) -> None:
    hand = Hand(notebook, "for x in (110, 200, 300):\n    w.click(x, 120)\n    w.accept(f'at {x}')")
    view = hand.view
    expect(view.objects).to_have_count(3)
    view.button("Edit at 200").click()
    expect(view.status).to_contain_text("Editing at 200: Accept replaces it")
    expect(view.candidates).to_have_count(1)
    hand.tool("Brush")
    assert not hand.ask("bool(w.chosen.mask[120, 435])")
    hand.stroke((430, 120), (440, 120))
    expect(view.objects.nth(1)).to_contain_text("being edited")
    view.button("Accept").click()
    expect(view.objects.nth(1)).not_to_contain_text("being edited")
    assert hand.ask("[o.label for o in w.objects]") == ["at 110", "at 200", "at 300"]
    assert hand.ask("bool(w.objects[1].mask[120, 435])")

    areas = hand.ask("[int((w.objects[a].mask | w.objects[b].mask).sum()) for a, b in ((0, 2), (1, 0))]")
    for name in ("at 110", "at 300"):
        view.root.get_by_role("checkbox", name=f"Mark {name}").check()
    hand.click(view.button("Merge 2 objects"))
    expect(view.objects).to_have_count(2)
    assert hand.ask("w.objects[0].area") == areas[0]
    view.press("Control+z")
    expect(view.objects).to_have_count(3)
    merged = view.root.get_by_role("checkbox", name="Mark at 110")
    expect(merged).to_be_checked()  # What was merged stays marked, and is the first to be.
    merged.uncheck()
    for name in ("at 200", "at 110"):
        view.root.get_by_role("checkbox", name=f"Mark {name}").check()
    area = hand.ask("w.objects[0].area")
    hand.click(view.button("Subtract at 110 from at 200"))
    assert hand.ask("w.objects[1].area") == areas[1] - area
    expect(view.button("Merge 2 objects")).to_be_hidden()

    color = hand.ask("w.objects[2].color")
    hand.click(view.button("Next colour for at 300"))
    assert hand.ask("w.objects[2].color") == color + 1
    for _ in at_most(20, view.button("Undo").is_enabled):
        hand.click(view.button("Undo"))
    expect(view.objects).to_have_count(0)
    for _ in at_most(20, view.button("Redo").is_enabled):
        hand.click(view.button("Redo"))
    assert hand.ask("(w.objects[1].area, w.objects[2].color)") == (areas[1] - area, color + 1)
