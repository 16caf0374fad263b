// The lines of a file as a stream, parsed.
import { createReadStream } from "node:fs";

export async function* objects(file) {
  let rest = "";
  for await (const chunk of createReadStream(file, { encoding: "utf8", highWaterMark: 1 << 20 })) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    yield lines.map((line) => JSON.parse(line));
  }
  if (rest) yield [JSON.parse(rest)];
}
