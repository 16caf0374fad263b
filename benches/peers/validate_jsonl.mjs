// A JSON Lines file against a JSON Schema, by ajv as a stream: FILE SCHEMA.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { objects } from "./lines.mjs";

// found by NODE_PATH, which only require() looks at
const Ajv = createRequire(import.meta.url)("ajv/dist/2020");
const [file, schema] = process.argv.slice(2);
const valid = new Ajv.default().compile(JSON.parse(readFileSync(schema, "utf8")));
let rows = 0;
let invalid = 0;
for await (const lot of objects(file)) {
  for (const row of lot) {
    rows += 1;
    if (!valid(row)) invalid += 1;
  }
}
console.log(JSON.stringify({ rows, invalid }));
