import { describe, expect, it } from "vitest";
import { combination, findShortcut, SHORTCUTS, shortcutFor, staysHere, written } from "../../src/input/keyboard";

const plain = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
const press = (key: string, modifiers: Partial<typeof plain> = {}) => ({ ...plain, key, ...modifiers });

describe("shortcuts", () => {
  it("spells a combination as the table does", () => {
    expect(combination(press("Z", { ctrlKey: true, shiftKey: true }))).toBe("Mod+Shift+z");
    expect(combination(press("z", { metaKey: true }))).toBe("Mod+z");
    expect(combination(press("?", { shiftKey: true }))).toBe("?");
    expect(combination(press("+", { shiftKey: true }))).toBe("+");
    expect(combination(press("ArrowLeft", { shiftKey: true }))).toBe("Shift+ArrowLeft");
  });

  it("binds each combination once", () => {
    const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("leaves keys that buttons need to the buttons", () => {
    for (const key of ["Enter", "ArrowLeft", "ArrowDown"]) {
      expect(findShortcut(press(key), true)).toBeDefined();
      expect(findShortcut(press(key), false)).toBeUndefined();
    }
    expect(findShortcut(press("2"), false)).toBeDefined();
  });

  it("takes nothing that it does not know", () => {
    for (const event of [press("s", { ctrlKey: true }), press("b", { ctrlKey: true }), press("q"), press("Tab")])
      expect(findShortcut(event, true)).toBeUndefined();
  });

  it("keeps plain keys and its own combinations from the notebook, and leaves it the rest", () => {
    for (const event of [press("x"), press("a"), press("Enter", { ctrlKey: true }), press("z", { metaKey: true })])
      expect(staysHere(event, false)).toBe(true);
    expect(staysHere(press("s", { ctrlKey: true }), false)).toBe(false);
    expect(staysHere(press("a", { ctrlKey: true }), true)).toBe(true);
  });

  it.each([
    ["я", "KeyZ", { ctrlKey: true }, "Undo"],
    ["Я", "KeyZ", { ctrlKey: true, shiftKey: true }, "Redo"],
    ["и", "KeyB", {}, "Box tool"],
    ["т", "KeyN", {}, "Select the next point, corner, box or line, or object"],
    ["Т", "KeyN", { shiftKey: true }, "Select the previous one"],
    ["х", "BracketLeft", {}, "Smaller brush"],
    ["ק", "KeyE", {}, "Edit the newest object again"],
    ["ז", "KeyZ", { ctrlKey: true }, "Undo"],
    ["β", "KeyB", {}, "Box tool"],
    [";", "KeyQ", {}, undefined],
    ["é", "Digit2", {}, "Choose a mask"],
    ["&", "Digit1", {}, "Choose a mask"],
    ["!", "Digit1", { shiftKey: true }, undefined],
    ["?", "Digit7", { shiftKey: true }, "Show or hide this help"],
    ["ы", "KeyS", { ctrlKey: true }, undefined],
  ])("finds %s on the key %s by its place", (key, code, modifiers, help) => {
    expect(findShortcut({ ...press(key, modifiers), code }, true)?.help).toBe(help);
  });

  it("takes an ASCII letter for itself wherever its key is", () => {
    expect(findShortcut({ ...press("z", { ctrlKey: true }), code: "KeyY" }, true)?.help).toBe("Undo");
    expect(findShortcut({ ...press("q"), code: "KeyA" }, true)).toBeUndefined();
  });

  it("finds every tooltip's shortcut", () => {
    for (const help of [
      "Undo",
      "Redo",
      "Cancel the current operation, or clear the prompt",
      "Find everything",
      "Point tool",
      "Box tool",
      "Pan tool",
    ])
      expect(shortcutFor(help)).not.toBe("");
    expect(written("Mod+Shift+z")).toMatch(/^(Ctrl\+Shift\+Z|⌘⇧Z)$/);
  });
});
