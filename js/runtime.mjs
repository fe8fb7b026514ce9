// Compresses onnxruntime's WebAssembly for pages that need it.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const STATIC = "../sam_widget/page/static";
const wasm = readFileSync("node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm");
mkdirSync(STATIC, { recursive: true });
writeFileSync(`${STATIC}/runtime.wasm.gz`, gzipSync(wasm, { level: 9 }));
