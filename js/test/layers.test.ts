import { describe, expect, it } from "vitest";

/** The rooms of `src`, from the ground up: a file imports from its own room and from those before it. */
const ROOMS = [
  "generated",
  "geometry",
  "kernel",
  "local",
  "state",
  "preview",
  "actions",
  "input",
  "view",
  "widget",
  "loader",
  "standalone",
  "page",
  "panels",
  "lesson",
];
const GENERATED = ["protocol", "palette"];

function roomOf(path: string): string {
  const [first] = path.split("/");
  return GENERATED.includes(first) ? "generated" : first;
}

/** The files that each file imports, by their paths below `src` without ".ts". */
function importsOf(sources: Record<string, string>): Map<string, string[]> {
  return new Map(
    Object.entries(sources).map(([path, text]) => {
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)].map(([, specifier]) => specifier);
      return [path, specifiers.map((specifier) => new URL(specifier, `file:///${path}`).pathname.slice(1))];
    }),
  );
}

function upward(imports: Map<string, string[]>): string[] {
  const floor = (path: string): number => ROOMS.indexOf(roomOf(path));
  return [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => floor(to) > floor(from)).map((to) => `${from} -> ${to}`),
  );
}

/** The first circle of imports found, as a path; empty when there is none. */
function circle(imports: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of imports.get(path) ?? []) {
      const found = visit(next, [...trail, path]);
      if (found.length) return found;
    }
    done.add(path);
    return [];
  };
  for (const path of imports.keys()) {
    const found = visit(path, []);
    if (found.length) return found;
  }
  return [];
}

const modules = import.meta.glob("../src/**/*.ts", { query: "?raw", import: "default", eager: true });
const sources = Object.fromEntries(
  Object.entries(modules).map(([path, text]) => [path.replace("../src/", "").replace(/\.ts$/, ""), text]),
);

describe("imports", () => {
  const imports = importsOf(sources);

  it("are all found, and lead to files of a room", () => {
    expect(imports.size).toBeGreaterThan(50);
    const targets = [...imports.values()].flat();
    expect(targets.length).toBeGreaterThan(150);
    expect(targets.filter((path) => !(path in sources))).toEqual([]);
    expect(Object.keys(sources).filter((path) => !ROOMS.includes(roomOf(path)))).toEqual([]);
  });

  it("point down only", () => {
    expect(upward(imports)).toEqual([]);
  });

  it("run in no circle", () => {
    expect(circle(imports)).toEqual([]);
  });
});

describe("the check itself", () => {
  it("reports an upward import, of a type too", () => {
    const text = 'import type { Store } from "../state/store";\nimport "./runs";';
    expect(upward(importsOf({ "geometry/crop": text }))).toEqual(["geometry/crop -> state/store"]);
  });

  it("reports a circle", () => {
    const a = 'import {\n  b,\n} from "./b";';
    expect(circle(importsOf({ "view/a": a, "view/b": 'export * from "./a";' }))).toEqual([
      "view/a",
      "view/b",
      "view/a",
    ]);
  });
});
