// Fails the build when the bundle is larger than a notebook should have to load.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MOST = 60_000;

const files = ["loader.js", "widget.js", "widget.css"].map((name) => `../sam_widget/widget/static/${name}`);
const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
console.log(`${size} of at most ${MOST} bytes, compressed`);
if (size > MOST) process.exit(1);
